#include "core/lines.h"

#include <unistd.h>

namespace faltung {

namespace {

Index known_l1_ways() {
    constexpr Index usual = 8;
#ifdef _SC_LEVEL1_DCACHE_SIZE
    const Index ways = sysconf(_SC_LEVEL1_DCACHE_SIZE) / l1_way_bytes;
    if (ways > 0) return ways;
#endif
    return usual;
}

}  // namespace

Index l1_ways() {
    static const Index ways = known_l1_ways();
    return ways;
}

}  // namespace faltung
