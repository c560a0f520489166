#include "kernels/spectral/fourier_plan.h"

#include <cmath>

namespace faltung {

namespace {

// Odd steps first, the largest last: that one needs no factors.
std::vector<int> radices(Index size) {
    std::vector<int> steps;
    for (int odd : {5, 3})
        for (; size % odd == 0; size /= odd) steps.push_back(odd);
    int twos = 0;
    for (; size % 2 == 0; size /= 2) ++twos;
    if (twos % 3 == 1) {
        if (twos >= 4) {
            steps.insert(steps.end(), {4, 4});
            twos -= 4;
        } else {
            steps.push_back(2);
            twos -= 1;
        }
    } else if (twos % 3 == 2) {
        steps.push_back(4);
        twos -= 2;
    }
    for (; twos > 0; twos -= 3) steps.push_back(8);
    return steps;
}

}  // namespace

template <class T>
FourierTables<T>::FourierTables(Index size) {
    plan_.size = size;
    plan_.bins = size / 2 + 1;
    const std::vector<int> steps = radices(size);
    plan_.levels = static_cast<int>(steps.size());
    std::vector<std::size_t> starts;
    Index whole = size;
    for (std::size_t n = 0; n < steps.size(); ++n) {
        const Index radix = steps[n], rest = whole / radix;
        plan_.radix[n] = steps[n];
        plan_.rest[n] = rest;
        starts.push_back(twiddles_.size());
        for (Index j = 0; j < rest; ++j)
            for (Index digit = 1; digit < radix; ++digit) {
                const double angle =
                    -2 * 3.14159265358979323846264338327950288 * double(j * digit) / double(whole);
                twiddles_.push_back(static_cast<T>(std::cos(angle)));
                twiddles_.push_back(static_cast<T>(std::sin(angle)));
            }
        whole = rest;
    }
    for (std::size_t n = 0; n < steps.size(); ++n) plan_.twiddle[n] = twiddles_.data() + starts[n];

    // Frequency digit 0 + radix 0 * (digit 1 + radix 1 * ...) lies at the sum of digit n * rest n.
    auto place_of = [&](Index frequency) {
        Index place = 0;
        for (int n = 0; n < plan_.levels; ++n) {
            place += frequency % plan_.radix[n] * plan_.rest[n];
            frequency /= plan_.radix[n];
        }
        return static_cast<std::int32_t>(place);
    };
    for (Index f = 0; f < plan_.bins; ++f) places_.push_back(place_of(f));
    for (Index f = 0; f < plan_.bins; ++f) places_.push_back(place_of((size - f) % size));
    plan_.place = places_.data();
    plan_.mirror = places_.data() + plan_.bins;
}

template class FourierTables<float>;
template class FourierTables<double>;

}  // namespace faltung
