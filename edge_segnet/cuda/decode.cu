// One pass over a network's logits, [channels,H,W] float16 or float32: the label of every pixel, how far its class leads
// (the margin), and sums. What graph/head.py does on a CPU.
//
// The first maximum wins, starting from class 0: all-negative logits are as good as others. A NaN, whatever the other
// classes say, and an infinite winner break a pixel: its label is void (classes), its margin 0. A margin is the winner's
// lead over the runner-up times scale, cut to a byte; below UNCERTAIN (core/margins.py) the pixel is uncertain.
//
// labels: uint8 [2,H,W], labels and margins. totals: uint32 [2*classes+4], zeroed by the caller: the sum of the winning
// logits of whole pixels (64 bits, two's complement, 1/WINNING_ONE), pixels of each class, void ones, uncertain ones of
// each class, broken ones. Integer sums: the same whatever the order.
//
// Pixel is plain C++: compiled for the host, this file gives the same answer without a GPU (see decode_host_*).

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define UNCERTAIN 16
#define MARGIN_TOP 255.0f
#define WINNING_ONE 4096.0f
#define WINNING_LIMIT 1e12f

#ifdef __CUDACC__
#define SHARED_WITH_HOST __device__ __forceinline__
#define MINUS_INFINITY __int_as_float(0xff800000)
#else
#define SHARED_WITH_HOST inline
#define MINUS_INFINITY (-INFINITY)
#endif
#ifndef __CUDACC_RTC__
#include <cmath>
#endif

struct Half {
  u16 bits;
};

SHARED_WITH_HOST float to_float(float value) { return value; }

SHARED_WITH_HOST float to_float(Half value) {
#ifdef __CUDA_ARCH__
  // The instruction itself, because NVRTC alone brings no cuda_fp16.h.
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
#else
  const int exponent = (value.bits >> 10) & 31, mantissa = value.bits & 1023;
  float wide = exponent ? std::ldexp(float(1024 + mantissa), exponent - 25) : std::ldexp(float(mantissa), -24);
  if (exponent == 31) wide = mantissa ? NAN : INFINITY;
  return value.bits & 0x8000 ? -wide : wide;
#endif
}

struct Pixel {
  float best, second;
  int label;
  bool is_nan;

  SHARED_WITH_HOST void start(float value) {
    best = value;
    second = MINUS_INFINITY;
    label = 0;
    is_nan = value != value;
  }

  SHARED_WITH_HOST void offer(float value, int channel) {
    is_nan |= value != value;
    if (value > best) {
      second = best;
      best = value;
      label = channel;
    } else if (value > second) {
      second = value;
    }
  }

  // An infinity less itself is no number.
  SHARED_WITH_HOST bool is_broken() const { return is_nan || best - best != 0.0f; }

  SHARED_WITH_HOST int result(int classes) const { return is_broken() ? classes : label; }

  SHARED_WITH_HOST int margin(float scale) const {
    if (is_broken()) return 0;
    const float scaled = (best - second) * scale;
    return scaled < MARGIN_TOP ? int(scaled) : int(MARGIN_TOP);
  }
};

// Places in totals.
struct Bins {
  int classes;

  SHARED_WITH_HOST int pixels(int label) const { return 2 + label; }
  SHARED_WITH_HOST int uncertain(int label) const { return 3 + classes + label; }
  SHARED_WITH_HOST int broken() const { return 3 + 2 * classes; }
  SHARED_WITH_HOST int count() const { return 4 + 2 * classes; }
};

SHARED_WITH_HOST u64 fixed_point(float sum) {
  const float cut = sum > WINNING_LIMIT ? WINNING_LIMIT : sum < -WINNING_LIMIT ? -WINNING_LIMIT : sum;
  return u64((long long)(double(cut) * WINNING_ONE));
}

#ifdef __CUDACC__

#define BLOCK 256
#define WARPS (BLOCK / 32)

template <typename T, int N>
struct __align__(N * sizeof(T)) Pack {
  T at[N];
};

// Adds N labels of this thread to its warp's histogram. Neighbours mostly agree, and a whole warp that agrees (sky,
// road) adds once instead of queueing 32 times for one address.
template <int N>
__device__ __forceinline__ void tally(u32* histogram, const int (&labels)[N]) {
  bool same = true;
  for (int i = 1; i < N; i++) same &= labels[i] == labels[0];
  const u32 active = __activemask();
  int agreed = 0;
  __match_all_sync(active, same ? labels[0] : -1 - int(threadIdx.x), &agreed);
  if (agreed && same) {  // a lane that is alone agrees with itself, whatever its labels
    if (int(threadIdx.x & 31) == __ffs(active) - 1) atomicAdd(&histogram[labels[0]], u32(N * __popc(active)));
    return;
  }
  int run = 1;
  for (int i = 1; i <= N; i++) {
    if (i < N && labels[i] == labels[i - 1]) {
      run++;
    } else {
      atomicAdd(&histogram[labels[i - 1]], u32(run));
      run = 1;
    }
  }
}

template <typename T, int N>
__device__ __forceinline__ void decode_groups(const T* logits, u8* labels, u32* mine, int channels, Bins bins,
                                              int plane, float scale) {
  const int step = gridDim.x * BLOCK;
  float winning = 0.0f;
  for (int group = blockIdx.x * BLOCK + threadIdx.x; group < plane / N; group += step) {
    const T* source = logits + size_t(group) * N;
    Pixel pixels[N];
    Pack<T, N> values = *reinterpret_cast<const Pack<T, N>*>(source);
    for (int i = 0; i < N; i++) pixels[i].start(to_float(values.at[i]));
#pragma unroll 4
    for (int channel = 1; channel < channels; channel++) {
      values = *reinterpret_cast<const Pack<T, N>*>(source + size_t(channel) * plane);
      for (int i = 0; i < N; i++) pixels[i].offer(to_float(values.at[i]), channel);
    }
    Pack<u8, N> written, margins;
    int results[N];
    for (int i = 0; i < N; i++) {
      results[i] = pixels[i].result(bins.classes);
      written.at[i] = u8(results[i]);
      margins.at[i] = u8(pixels[i].margin(scale));
    }
    *reinterpret_cast<Pack<u8, N>*>(labels + size_t(group) * N) = written;
    *reinterpret_cast<Pack<u8, N>*>(labels + plane + size_t(group) * N) = margins;
    tally<N>(mine + bins.pixels(0), results);
    for (int i = 0; i < N; i++) {
      if (margins.at[i] < UNCERTAIN && results[i] < bins.classes) atomicAdd(&mine[bins.uncertain(results[i])], 1u);
      if (pixels[i].is_broken())
        atomicAdd(&mine[bins.broken()], 1u);
      else
        winning += pixels[i].best;
    }
  }
  atomicAdd(reinterpret_cast<u64*>(mine), fixed_point(winning));
}

template <typename T>
__device__ __forceinline__ void decode(const T* logits, u8* labels, u32* totals, int channels, int classes, int plane,
                                       float scale) {
  extern __shared__ u32 histograms[];  // [WARPS][bins.count()], an even number each, so that the sums lie on 8 bytes
  const Bins bins = {classes};
  for (int i = threadIdx.x; i < WARPS * bins.count(); i += BLOCK) histograms[i] = 0;
  __syncthreads();
  u32* mine = histograms + (threadIdx.x / 32) * bins.count();
  if (plane % 4)
    decode_groups<T, 1>(logits, labels, mine, channels, bins, plane, scale);
  else
    decode_groups<T, 4>(logits, labels, mine, channels, bins, plane, scale);
  __syncthreads();
  for (int bin = threadIdx.x; bin < bins.count(); bin += BLOCK) {
    if (bin == 1) continue;  // the upper half of the sum at 0
    u32 sum = 0;
    u64 winning = 0;
    for (int warp = 0; warp < WARPS; warp++) {
      const u32* from = histograms + warp * bins.count();
      sum += from[bin];
      winning += *reinterpret_cast<const u64*>(from);
    }
    if (bin == 0)
      atomicAdd(reinterpret_cast<u64*>(totals), winning);
    else if (sum)
      atomicAdd(&totals[bin], sum);
  }
}

extern "C" __global__ void __launch_bounds__(BLOCK)
    decode_float16(const Half* logits, u8* labels, u32* totals, int channels, int classes, int plane, float scale) {
  decode(logits, labels, totals, channels, classes, plane, scale);
}

extern "C" __global__ void __launch_bounds__(BLOCK)
    decode_float32(const float* logits, u8* labels, u32* totals, int channels, int classes, int plane, float scale) {
  decode(logits, labels, totals, channels, classes, plane, scale);
}

#else

template <typename T>
static void decode(const T* logits, u8* labels, u32* totals, int channels, int classes, int plane, float scale) {
  const Bins bins = {classes};
  u64 winning = 0;
  for (int at = 0; at < plane; at++) {
    Pixel pixel;
    pixel.start(to_float(logits[at]));
    for (int channel = 1; channel < channels; channel++)
      pixel.offer(to_float(logits[size_t(channel) * plane + at]), channel);
    const int label = pixel.result(classes), margin = pixel.margin(scale);
    labels[at] = u8(label);
    labels[plane + at] = u8(margin);
    totals[bins.pixels(label)]++;
    if (margin < UNCERTAIN && label < classes) totals[bins.uncertain(label)]++;
    if (pixel.is_broken())
      totals[bins.broken()]++;
    else
      winning += fixed_point(pixel.best);
  }
  totals[0] = u32(winning);
  totals[1] = u32(winning >> 32);
}

extern "C" void decode_host_float16(const Half* logits, u8* labels, u32* totals, int channels, int classes, int plane,
                                    float scale) {
  decode(logits, labels, totals, channels, classes, plane, scale);
}

extern "C" void decode_host_float32(const float* logits, u8* labels, u32* totals, int channels, int classes, int plane,
                                    float scale) {
  decode(logits, labels, totals, channels, classes, plane, scale);
}

#endif
