// Runs decode.cu's kernel, as it is written, on a CPU. Every thread of a block is a coroutine; they stop at warp votes and
// at __syncthreads, and go on when all that can come have come. So divergence, the last incomplete warp, shared memory
// and the order of barriers are what they are on a GPU; only speed and races within a warp are not.

#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#define __CUDACC__
#define __device__
#define __global__
#define __shared__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __align__(bytes) alignas(bytes)

struct Index {
  unsigned x;
};
static Index threadIdx, blockIdx, gridDim;
#define histograms histograms_of_this_block

enum Waiting { RUNNING, AT_VOTE, AT_BARRIER, DONE };
struct Lane {
  ucontext_t context;
  std::vector<char> stack;
  Waiting waiting;
  int offered, agreed;
  unsigned active;
};
static Lane lanes[256];
static ucontext_t scheduler;

static void wait(Waiting why) {
  Lane& lane = lanes[threadIdx.x];
  lane.waiting = why;
  swapcontext(&lane.context, &scheduler);
}

static float __int_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
template <typename T>
static T atomicAdd(T* at, T value) {
  *at += value;
  return *at - value;
}
static void __syncthreads() { wait(AT_BARRIER); }
static unsigned __activemask() {
  wait(AT_VOTE);
  return lanes[threadIdx.x].active;
}
static int __match_all_sync(unsigned mask, int value, int* agreed) {
  lanes[threadIdx.x].offered = value;
  wait(AT_VOTE);
  *agreed = lanes[threadIdx.x].agreed;
  return mask;
}
static int __ffs(unsigned mask) { return __builtin_ffs(int(mask)); }
static int __popc(unsigned mask) { return __builtin_popcount(mask); }

#include KERNEL

alignas(8) unsigned histograms_of_this_block[8 * 516];

// Lets the lanes of a warp that wait at a vote go on together, once none of the warp is running.
static bool settle_vote(int warp) {
  unsigned active = 0;
  bool same = true;
  int first = 0;
  for (int lane = 31; lane >= 0; lane--) {
    const Lane& each = lanes[32 * warp + lane];
    if (each.waiting == RUNNING) return false;
    if (each.waiting != AT_VOTE) continue;
    active |= 1u << lane;
    first = each.offered;
  }
  for (int lane = 0; lane < 32; lane++)
    if (active >> lane & 1) same &= lanes[32 * warp + lane].offered == first;
  for (int lane = 0; lane < 32; lane++) {
    if (!(active >> lane & 1)) continue;
    lanes[32 * warp + lane].active = active;
    lanes[32 * warp + lane].agreed = same;
    lanes[32 * warp + lane].waiting = RUNNING;
  }
  return active != 0;
}

static struct {
  const void* logits;
  u8* labels;
  u32* totals;
  int channels, classes, plane, half;
  float scale;
} call;

static void enter() {
  if (call.half)
    decode_float16(static_cast<const Half*>(call.logits), call.labels, call.totals, call.channels, call.classes, call.plane, call.scale);
  else
    decode_float32(static_cast<const float*>(call.logits), call.labels, call.totals, call.channels, call.classes, call.plane, call.scale);
  lanes[threadIdx.x].waiting = DONE;
}

static int run_block() {
  for (unsigned thread = 0; thread < 256; thread++) {
    Lane& lane = lanes[thread];
    lane.stack.resize(65536);
    lane.waiting = RUNNING;
    getcontext(&lane.context);
    lane.context.uc_stack.ss_sp = lane.stack.data();
    lane.context.uc_stack.ss_size = lane.stack.size();
    lane.context.uc_link = &scheduler;
    makecontext(&lane.context, enter, 0);
  }
  for (;;) {
    bool ran = false;
    int at_barrier = 0, done = 0;
    for (unsigned thread = 0; thread < 256; thread++) {
      if (lanes[thread].waiting == RUNNING) {
        threadIdx.x = thread;
        swapcontext(&scheduler, &lanes[thread].context);
        ran = true;
      }
      at_barrier += lanes[thread].waiting == AT_BARRIER;
      done += lanes[thread].waiting == DONE;
    }
    for (int warp = 0; warp < 8; warp++) ran |= settle_vote(warp);
    if (done == 256) return 0;
    if (at_barrier == 256)
      for (Lane& lane : lanes) lane.waiting = RUNNING;
    else if (!ran)
      return 1;  // some wait at a barrier that others never reach
  }
}

extern "C" int emulate(int half, int grid, const void* logits, u8* labels, u32* totals, int channels, int classes, int plane,
                       float scale) {
  call = {logits, labels, totals, channels, classes, plane, half, scale};
  gridDim.x = unsigned(grid);
  for (blockIdx.x = 0; blockIdx.x < unsigned(grid); blockIdx.x++) {
    std::memset(histograms_of_this_block, 0xA5, sizeof histograms_of_this_block);
    if (run_block()) return 1;
  }
  return 0;
}
