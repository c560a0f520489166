#include "core/fingerprint.h"

#include <cstring>
#include <vector>

#include "core/threads.h"

namespace faltung {

namespace {

constexpr int lanes = 8;  // chains side by side, for each step waits for the one before
constexpr std::uint64_t factor = 0x9e3779b97f4a7c15u;  // odd, so that multiplying loses nothing

std::uint64_t mix(std::uint64_t state, std::uint64_t word) {
    const std::uint64_t mixed = state ^ word;
    // Multiplying carries upwards only; the rotation brings the upper bits down.
    return (mixed << 29 | mixed >> 35) * factor;
}

// Of memory that one thread reads.
std::uint64_t of_block(const void* data, Index bytes) {
    std::uint64_t state[lanes];
    for (int lane = 0; lane < lanes; ++lane) state[lane] = factor * static_cast<std::uint64_t>(lane + 1);
    const char* from = static_cast<const char*>(data);
    Index left = bytes;
    for (; left >= Index(sizeof state); left -= sizeof state, from += sizeof state) {
        std::uint64_t words[lanes];
        std::memcpy(words, from, sizeof words);
        for (int lane = 0; lane < lanes; ++lane) state[lane] = mix(state[lane], words[lane]);
    }
    std::uint64_t rest[lanes] = {};
    std::memcpy(rest, from, static_cast<std::size_t>(left));
    std::uint64_t result = static_cast<std::uint64_t>(bytes);
    for (int lane = 0; lane < lanes; ++lane) result = mix(mix(result, state[lane]), rest[lane]);
    return result ^ result >> 32;
}

// Memory of several blocks is read by several threads, and has the fingerprint of its blocks' fingerprints.
constexpr Index block_bytes = 128 << 10;

}  // namespace

std::uint64_t fingerprint(const void* data, Index bytes, int threads) {
    const Index blocks = ceil_divide(bytes, block_bytes);
    if (blocks <= 1) return of_block(data, bytes);
    std::vector<std::uint64_t> of_blocks(static_cast<std::size_t>(blocks));
    auto read = [&](Index block, int) {
        const Index first = block * block_bytes;
        of_blocks[static_cast<std::size_t>(block)] =
            of_block(static_cast<const char*>(data) + first, min_index(block_bytes, bytes - first));
    };
    parallel_for(blocks, worthwhile_threads(bytes, threads), read);
    return of_block(of_blocks.data(), blocks * Index(sizeof(std::uint64_t)));
}

}  // namespace faltung
