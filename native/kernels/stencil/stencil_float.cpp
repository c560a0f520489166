#include "kernels/stencil/stencil_sums.h"

namespace faltung::FALTUNG_ISA {

StencilLoops<float> float_stencil_loops() {
    return loops_of<float>();
}

}  // namespace faltung::FALTUNG_ISA
