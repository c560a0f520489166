// Every family of kernels by its name.
#pragma once

#include <string>

#include "core/operation.h"

namespace faltung {

// Throw std::invalid_argument for an unknown name, naming those there are.
const CorrelationFamily& correlation_family(const std::string& name);
const WeightGradientFamily& weight_gradient_family(const std::string& name);

}  // namespace faltung
