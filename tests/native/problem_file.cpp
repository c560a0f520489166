#include "problem_file.h"

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace faltung {

namespace {

Index next(std::istringstream& line) {
    Index number;
    if (!(line >> number)) throw std::runtime_error("a problem ends too early: " + line.str());
    return number;
}

}  // namespace

std::vector<Listed> read_problems(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path);
    std::vector<Listed> all;
    for (std::string text; std::getline(file, text);) {
        std::istringstream line(text);
        Listed one{};
        Problem& p = one.problem;
        one.is_gradient = next(line) != 0;
        p.groups = next(line), p.in_channels = next(line), p.out_channels = next(line);
        p.border = static_cast<Border>(next(line));
        p.keeps_axes = next(line) != 0;
        for (Index axes = next(line); axes > 0; --axes) {
            Axis axis{};
            for (Index Axis::* field :
                 {&Axis::in, &Axis::out, &Axis::kernel, &Axis::stride, &Axis::dilation, &Axis::before})
                axis.*field = next(line);
            p.axes.push_back(axis);
        }
        for (Index axes = next(line); axes > 0; --axes) {
            p.phases.emplace_back();
            for (Index phases = next(line); phases > 0; --phases) {
                Phase phase{};
                for (Index Phase::* field : {&Phase::first, &Phase::count, &Phase::tap, &Phase::tap_step,
                                             &Phase::taps, &Phase::dilation, &Phase::before})
                    phase.*field = next(line);
                p.phases.back().push_back(phase);
            }
        }
        if (line >> text) throw std::runtime_error("a problem goes on too long: " + line.str());
        all.push_back(one);
    }
    if (all.empty()) throw std::runtime_error("no problem in " + path);
    return all;
}

}  // namespace faltung
