#include "bind/program.h"

#include <cmath>
#include <new>
#include <optional>

#include "core/epilogue.h"
#include "core/half.h"
#include "core/magnitude.h"
#include "core/threads.h"
#include "core/workspace.h"

namespace faltung {

struct Program::Work {
    nb::object result;
    Epilogue epilogue;
    EpilogueLoop loop = nullptr;
    Index batch = 1;
    Array x{nullptr, {}}, y{nullptr, {}}, residual{nullptr, {}};
    bool has_residual = false;
};

Program::Program(const nb::sequence& steps, Index groups, const Sizes& in, const Sizes& out,
                 const Sizes& weight, const nb::object& dtype, double largest, bool needs_finite_weight,
                 bool keeps_denormals)
    : groups_(groups),
      in_(in),
      out_(out),
      weight_(weight),
      dtype_(dtype),
      results_(dtype),
      largest_(largest),
      needs_finite_weight_(needs_finite_weight) {
    for (nb::handle entry : steps) {
        Step step;
        step.keeps = nb::borrow(entry[0]);
        step.kernel = nb::cast<const BoundCorrelation*>(entry[0]);
        step.first = nb::cast<Sizes>(entry[1]);
        step.step = nb::cast<Sizes>(entry[2]);
        step.accumulates = nb::cast<bool>(entry[3]);
        step.weight_first = nb::cast<Index>(entry[4]);
        step.weight_stride = nb::cast<Sizes>(entry[5]);
        accumulates_ = accumulates_ || step.accumulates;
        type_ = step.kernel->type();
        isa_ = step.kernel->isa();
        sample_work_ = saturating_add(sample_work_, work_of(step.kernel->problem()));
        steps_.push_back(std::move(step));
    }
    kind_ = nb::cast<std::string>(dtype.attr("kind")).at(0);
    const bool is_half = nb::cast<int>(dtype.attr("itemsize")) == 2;
    stored_ = is_half ? type_from_name(nb::cast<std::string>(dtype.attr("name"))) : type_;
    float_control_ = usual_float_control(!keeps_denormals && !is_half);
}

bool Program::takes(const NumpyArray& x) const {
    return x && is_served(x) && x.axes() <= static_cast<int>(in_.size()) + 1 && x.ends_with(in_);
}

bool Program::has_result_shape(const NumpyArray& array, const NumpyArray& x) const {
    const int axes = static_cast<int>(out_.size());
    if (array.axes() != x.axes()) return false;
    if (x.axes() > axes && array.size(0) != x.size(0)) return false;
    for (int a = 0; a < axes; ++a)
        if (array.size(x.axes() - axes + a) != out_[static_cast<std::size_t>(a)]) return false;
    return true;
}

bool Program::is_bias(const NumpyArray& array) const {
    if (!is_half(stored_)) return is_bias_as_stored(array);
    return array && array.is('f', sizeof(float)) && array.has_shape(out_.data(), 1) && array.is_contiguous();
}

bool Program::is_bias_as_stored(const NumpyArray& array) const {
    return array && is_served(array) && array.has_shape(out_.data(), 1) && array.is_contiguous();
}

bool Program::is_moderate(const NumpyArray& array, int threads) const {
    return array.is_within(largest_, stored_, isa_, threads, type_ == Type::bfloat16);
}

nb::object Program::allocated(const NumpyArray& x) const {
    Sizes shape;
    if (x.axes() > static_cast<int>(in_.size())) shape.push_back(x.size(0));
    shape.insert(shape.end(), out_.begin(), out_.end());
    return results_.make(shape);
}

Array Program::grouped(const NumpyArray& array) const {
    return array.grouped(groups_, static_cast<int>(in_.size()));
}

// A batch of such samples without gaps as (N, groups, channels of a group, *size).
Array Program::laid(const void* data, const Sizes& sample, bool is_channels_last) const {
    const Index channels = sample[0];
    Array result{const_cast<void*>(data), Sizes(sample.size() + 2)};
    Index cells = is_channels_last ? channels : 1;
    for (std::size_t a = sample.size(); a-- > 1;) {
        result.stride[a + 2] = cells;
        cells *= sample[a];
    }
    const Index channel = is_channels_last ? 1 : cells;
    result.stride[0] = is_channels_last ? cells : cells * channels;
    result.stride[1] = groups_ ? channels / groups_ * channel : 0;
    result.stride[2] = channel;
    return result;
}

bool Program::keeps_bounds(const Work& work, const std::vector<const void*>& packed, int threads) const {
    if (std::isinf(largest_)) return true;  // sums directly
    Array sample = work.x;
    for (Index n = 0; n < work.batch; ++n) {
        sample.data = static_cast<char*>(work.x.data) + n * work.x.stride[0] * element_bytes(type_);
        for (std::size_t s = 0; s < steps_.size(); ++s)
            if (!steps_[s].kernel->operation().keeps_bound(sample, packed[s], threads)) return false;
    }
    return true;
}

bool Program::compute(const Work& work, const std::vector<const void*>& packed, int threads) const {
    if (!keeps_bounds(work, packed, threads)) return false;
    const auto part = [](const Array& whole, const Step& step) {
        Array view = whole;
        Index offset = 0;
        for (std::size_t a = 0; a < step.first.size(); ++a) {
            offset += step.first[a] * whole.stride[a + outer_axes];
            view.stride[a + outer_axes] *= step.step[a];
        }
        view.data = static_cast<char*>(whole.data) + offset * element_bytes(step.kernel->type());
        return view;
    };
    threads = worthwhile_threads(saturating_multiply(work.batch, sample_work_), threads);
    Sizes size{work.batch, groups_, groups_ ? out_[0] / groups_ : 0};
    size.insert(size.end(), out_.begin() + 1, out_.end());
    const bool is_fused =
        !accumulates_ && (!work.has_residual || have_same_strides(size, work.y, work.residual));
    Epilogue epilogue = work.epilogue;
    if (is_fused) epilogue.finish_with(work.loop, work.y.data, work.residual.data);
    const Epilogue nothing;
    for (std::size_t s = 0; s < steps_.size(); ++s) {
        const Step& step = steps_[s];
        step.kernel->operation().run(work.batch, work.x, packed[s], step.accumulates ? nothing : epilogue,
                                     part(work.y, step), step.accumulates, threads);
    }
    if (!is_fused && work.loop)
        finish_all(work.loop, element_bytes(type_), size, work.y,
                   work.has_residual ? &work.residual : nullptr, threads);
    return true;
}

bool Program::run_steps(const Work& work, const std::vector<const void*>& packed, int threads) const {
    for (const Index extent : out_)
        if (extent == 0) return true;  // there may be any number of such samples
    if (is_converted()) return compute_converted(work, packed, threads);
    return compute(work, packed, threads);
}

// A few samples at a time, so that what is converted stays in the caches.
bool Program::compute_converted(const Work& work, const std::vector<const void*>& packed, int threads) const {
    constexpr Index wanted_bytes = Index(2) << 20;
    const auto sample_size = [&](const Sizes& shape) {
        Sizes size{1, groups_, groups_ ? shape[0] / groups_ : 0};
        size.insert(size.end(), shape.begin() + 1, shape.end());
        return size;
    };
    Sizes x_size = sample_size(in_), y_size = sample_size(out_);
    const auto cells_of = [](const Sizes& size) {
        Index cells = 1;
        for (Index extent : size) cells = saturating_multiply(cells, extent);
        return round_up(min_index(cells, saturated / 8), 16);
    };
    const Index x_cells = cells_of(x_size), y_cells = cells_of(y_size), arrays = work.has_residual ? 2 : 1;
    const Index bytes = saturating_multiply(x_cells + arrays * y_cells, sizeof(float));
    const Index samples = max_index(1, min_index(work.batch, wanted_bytes / max_index(bytes, 1)));
    Workspace workspace(saturating_multiply(samples, bytes), Borrower::conversion);
    float* const x_data = reinterpret_cast<float*>(workspace.data());
    Work part = work;
    x_size[0] = y_size[0] = samples;  // whichever axis is the innermost
    part.x = {x_data, compact_strides(x_size, work.x.stride)};
    part.y = {x_data + samples * x_cells, compact_strides(y_size, work.y.stride)};
    if (work.has_residual) part.residual = {x_data + samples * (x_cells + y_cells), part.y.stride};
    const auto of_sample = [&](const Array& array, Index sample) {
        return Array{static_cast<char*>(array.data) + sample * array.stride[0] * element_bytes(stored_),
                     array.stride};
    };
    for (Index first = 0; first < work.batch; first += samples) {
        part.batch = x_size[0] = y_size[0] = min_index(samples, work.batch - first);
        widen(stored_, isa_, x_size, of_sample(work.x, first), part.x, threads);
        if (work.has_residual)
            widen(stored_, isa_, y_size, of_sample(work.residual, first), part.residual, threads);
        if (!compute(part, packed, threads)) return false;
        narrow(stored_, isa_, y_size, part.y, of_sample(work.y, first), threads);
    }
    return true;
}

bool Program::prepare(nb::handle x, nb::handle out, nb::handle residual, int threads, Work& work) const {
    const NumpyArray x_array = NumpyArray::read(x);
    if (!takes(x_array)) return false;
    NumpyArray added;
    if (!residual.is_none()) {
        added = NumpyArray::read(residual);
        if (!added || !is_served(added) || !has_result_shape(added, x_array)) return false;
    }
    if (!std::isinf(largest_) && !is_moderate(x_array, threads)) return false;
    work.result = out.is_none() ? allocated(x_array) : nb::borrow(out);
    const NumpyArray y_array = NumpyArray::read(work.result);
    if (!y_array) return false;
    if (!out.is_none()) {
        if (!is_served(y_array) || !has_result_shape(y_array, x_array) || !y_array.is_writable())
            return false;
        if (y_array.may_overlap(x_array) || (added && y_array.may_overlap(added))) return false;
    }
    work.batch = x_array.axes() > static_cast<int>(in_.size()) ? x_array.size(0) : 1;
    work.x = grouped(x_array);
    work.y = grouped(y_array);
    if (added) work.residual = grouped(added);
    work.has_residual = bool(added);
    if (is_half(type_) && added) {
        // It is added before the one rounding, by the kernel.
        Sizes size{work.batch, groups_, groups_ ? out_[0] / groups_ : 0};
        size.insert(size.end(), out_.begin() + 1, out_.end());
        if (!have_same_strides(size, work.y, work.residual)) return false;
    }
    return true;
}

nb::object Program::run(const std::vector<const void*>& packed, const NumpyArray& bias, Activation activation,
                        nb::handle x, nb::handle out, nb::handle residual, int threads) const {
    Work work;
    if (!prepare(x, out, residual, threads, work)) return nb::none();
    if (bias && !out.is_none() && NumpyArray::read(out).may_overlap(bias)) return nb::none();
    return finish(work, packed, bias, activation, threads) ? work.result : nb::none();
}

bool Program::run_at(const std::vector<const void*>& packed, const NumpyArray& bias, Activation activation,
                     const void* x, void* y, const void* residual, Index batch, bool is_channels_last,
                     int threads) const {
    Work work;
    work.batch = batch;
    work.x = laid(x, in_, is_channels_last);
    work.y = laid(y, out_, is_channels_last);
    if (!std::isinf(largest_)) {
        Index cells = batch;
        for (Index size : in_) cells *= size;
        const bool is_moderate = released_if(cells >= unreleased_cells, [&] {
            return is_within(largest_, stored_, isa_, {cells}, {work.x.data, {1}}, threads,
                             type_ == Type::bfloat16);
        });
        if (!is_moderate) return false;
    }
    work.has_residual = residual != nullptr;
    if (work.has_residual) work.residual = laid(residual, out_, is_channels_last);
    return finish(work, packed, bias, activation, threads);
}

// Everything about the arrays is known.
bool Program::finish(Work& work, const std::vector<const void*>& packed, const NumpyArray& bias,
                     Activation activation, int threads) const {
    work.epilogue.bias = bias ? bias.data() : nullptr;
    work.loop = epilogue_loop(activation, work.has_residual, sum_type(type_), kind_ != 'u', isa_);
    const FloatState state(float_control_);
    return released_if(saturating_multiply(work.batch, sample_work_) >= unreleased_multiply_adds,
                       [&] { return run_steps(work, packed, threads); });
}

nb::object Program::convolve(nb::handle x, nb::handle weight, nb::handle bias, nb::handle out,
                             int threads) const {
    const NumpyArray w = NumpyArray::read(weight);
    if (!w || !is_served(w) || !w.has_shape(weight_.data(), static_cast<int>(weight_.size())) ||
        !w.is_contiguous())
        return nb::none();
    if ((needs_finite_weight_ || !std::isinf(largest_)) && !is_moderate(w, threads)) return nb::none();
    NumpyArray offset;
    std::vector<float> wide_bias;
    if (!bias.is_none()) {
        offset = NumpyArray::read(bias);
        if (!is_bias_as_stored(offset)) return nb::none();
        if (is_half(stored_)) {
            wide_bias.resize(static_cast<std::size_t>(out_[0]));
            widen(stored_, isa_, {out_[0]}, {offset.data(), {1}}, {wide_bias.data(), {1}}, 1);
        }
    }
    Work work;
    if (!prepare(x, out, nb::none(), threads, work)) return nb::none();
    // Kernels read packed weights while they write, but the bias as it is.
    if (offset && !out.is_none() && NumpyArray::read(out).may_overlap(offset)) return nb::none();
    work.epilogue.bias = !offset ? nullptr : is_half(stored_) ? wide_bias.data() : offset.data();

    // Where nothing is written over them, weights may be read where they lie.
    const bool borrows = out.is_none() || !NumpyArray::read(out).may_overlap(w);
    const auto borrowed_bytes = [&](const Step& step) {
        return borrows ? step.kernel->operation().borrowed_bytes() : 0;
    };

    std::vector<AlignedBuffer> buffers;
    std::vector<const void*> packed;
    AlignedBuffer wide_weight;
    Index packed_bytes = 0, weights = 1;
    for (Index extent : weight_) weights = saturating_multiply(weights, extent);
    try {
        if (is_converted()) wide_weight = AlignedBuffer(saturating_multiply(weights, sizeof(float)));
        for (const Step& step : steps_) {
            const Index borrowed = borrowed_bytes(step);
            buffers.emplace_back(borrowed > 0 ? borrowed : step.kernel->packed_bytes());
            packed.push_back(buffers.back().data());
            packed_bytes += buffers.back().bytes();
        }
    } catch (const std::bad_alloc&) {
        return nb::none();  // what there is to be said of it is said elsewhere
    }
    const Index all_work = saturating_multiply(work.batch, sample_work_) + packed_bytes;
    const FloatState state(float_control_);
    const bool is_served = released_if(all_work >= unreleased_multiply_adds, [&] {
        if (is_converted())
            widen(stored_, isa_, {weights}, {w.data(), {1}}, {wide_weight.data(), {1}}, threads);
        for (std::size_t s = 0; s < steps_.size(); ++s) {
            char* const own = is_converted() ? wide_weight.data() : static_cast<char*>(w.data());
            char* const first = own + steps_[s].weight_first * element_bytes(type_);
            const Array weights{first, steps_[s].weight_stride};
            if (borrowed_bytes(steps_[s]) > 0) {
                steps_[s].kernel->operation().borrow(weights, buffers[s].data());
            } else {
                steps_[s].kernel->operation().pack(weights, buffers[s].data(), threads);
            }
        }
        return run_steps(work, packed, threads);
    });
    return is_served ? work.result : nb::none();
}

namespace {

// A program with its weights packed.
class PreparedProgram {
  public:
    PreparedProgram(const nb::object& program, const nb::sequence& packed, const nb::object& bias,
                    const std::string& activation)
        : keeps_{program, nb::borrow(packed), bias},
          program_(nb::cast<const Program&>(program)),
          activation_(activation_from_name(activation)) {
        for (nb::handle entry : packed) {
            const auto& weight = nb::cast<const PackedWeight&>(entry);
            if (packed_.size() < program_.steps().size())
                program_.steps()[packed_.size()].kernel->check_packed(weight);
            packed_.push_back(weight.buffer.data());
        }
        if (packed_.size() != program_.steps().size())
            throw std::invalid_argument("each step needs its packed weights");
        if (!bias.is_none()) {
            bias_ = NumpyArray::read(bias);
            if (!program_.is_bias(bias_)) throw std::invalid_argument("bias is not of the right kind");
        }
    }

    nb::object run(nb::handle x, nb::handle out, nb::handle residual, int threads) const {
        return program_.run(packed_, bias_, activation_, x, out, residual, threads);
    }

    bool run_at(std::uintptr_t x, std::uintptr_t y, std::uintptr_t residual, Index batch,
                bool is_channels_last, int threads) const {
        return program_.run_at(packed_, bias_, activation_, reinterpret_cast<const void*>(x),
                               reinterpret_cast<void*>(y), reinterpret_cast<const void*>(residual), batch,
                               is_channels_last, threads);
    }

  private:
    nb::object keeps_[3];
    const Program& program_;
    Activation activation_;
    std::vector<const void*> packed_;
    NumpyArray bias_;
};

}  // namespace

void bind_program(nb::module_& m) {
    nb::class_<Program>(m, "Program", "A convolution of arrays that lie as kernels read them, in one call.")
        .def(nb::init<const nb::sequence&, Index, const Sizes&, const Sizes&, const Sizes&, const nb::object&,
                      double, bool, bool>(),
             nb::arg("steps"), nb::arg("groups"), nb::arg("in_shape"), nb::arg("out_shape"),
             nb::arg("weight_shape"), nb::arg("dtype"), nb::arg("largest"), nb::arg("needs_finite_weight"),
             nb::arg("keeps_denormals"))
        .def("convolve", &Program::convolve, nb::arg("x").none(), nb::arg("weight").none(),
             nb::arg("bias").none(), nb::arg("out").none(), nb::arg("threads"),
             "The result, or None where it does not serve these.");
    nb::class_<PreparedProgram>(m, "PreparedProgram", "A Program with its weights packed.")
        .def(nb::init<const nb::object&, const nb::sequence&, const nb::object&, const std::string&>(),
             nb::arg("program"), nb::arg("packed"), nb::arg("bias").none(), nb::arg("activation"))
        .def("run", &PreparedProgram::run, nb::arg("x").none(), nb::arg("out").none(),
             nb::arg("residual").none(), nb::arg("threads"),
             "The result, or None where it does not serve these.")
        .def("run_at", &PreparedProgram::run_at, nb::arg("x"), nb::arg("y"), nb::arg("residual"),
             nb::arg("batch"), nb::arg("is_channels_last"), nb::arg("threads"),
             "As run, from addresses of memory without gaps; false where it does not serve the values.");
}

}  // namespace faltung
