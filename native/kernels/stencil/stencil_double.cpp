// Compiled without contraction: products are rounded before they are added.
#include "kernels/stencil/stencil_sums.h"

namespace faltung::FALTUNG_ISA {

StencilLoops<double> double_stencil_loops() {
    return loops_of<double>();
}

}  // namespace faltung::FALTUNG_ISA
