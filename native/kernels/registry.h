// Every family of kernels by its name.
#pragma once

#include <string>

#include "core/operation.h"
#include "kernels/spectral/spectral_shape.h"

namespace faltung {

// Throw std::invalid_argument for an unknown name, naming those there are.
const CorrelationFamily& correlation_family(const std::string& name);
// The same of half precision, by kernels that read it or by those of float32.
std::unique_ptr<Correlation> half_correlation(const CorrelationFamily& family, const Problem& problem,
                                              Type type, Isa isa);
const WeightGradientFamily& weight_gradient_family(const std::string& name);

// How spectral correlation would cut a problem; of size 0 where it does not serve it.
SpectralShape spectral_shape(const Problem& problem, Type type, Isa isa);

}  // namespace faltung
