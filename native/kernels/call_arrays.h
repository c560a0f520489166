// What a call of any family has: its arrays, as its tasks read and write them.
#pragma once

#include "core/epilogue.h"
#include "core/layout.h"

namespace faltung {

struct CallArrays {
    const Array &x, &y;
    const Epilogue& epilogue;
    bool accumulates;
    std::vector<Index> x_spatial, y_spatial;  // strides of the layout's axes
    char* workspace = nullptr;

    CallArrays(const Layout& layout, const Array& x, const Array& y, const Epilogue& epilogue,
               bool accumulates)
        : x(x),
          y(y),
          epilogue(epilogue),
          accumulates(accumulates),
          x_spatial(layout.spatial_strides(x.stride)),
          y_spatial(layout.spatial_strides(y.stride)) {}
};

}  // namespace faltung
