// One pass over a network's logits, [C,H,W] float16 or float32: the label of every pixel, the pixels of every class, and
// how many pixels are void (a logit is no number) or uncertain (the runner-up comes within low_margin of the winner).
//
// The first maximum wins, starting from class 0: all-negative logits are as good as others. NaN makes a pixel void,
// whatever the other classes say. totals is uint32 [C+2], zeroed by the caller: classes, void, uncertain.
//
// Pixel is plain C++: compiled for the host, this file gives the same answer without a GPU (see decode_host_*).

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

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
  bool is_void;

  SHARED_WITH_HOST void start(float value) {
    best = value;
    second = MINUS_INFINITY;
    label = 0;
    is_void = value != value;
  }

  SHARED_WITH_HOST void offer(float value, int channel) {
    is_void |= value != value;
    if (value > best) {
      second = best;
      best = value;
      label = channel;
    } else if (value > second) {
      second = value;
    }
  }

  SHARED_WITH_HOST int result(int classes) const { return is_void ? classes : label; }

  // Equal infinities differ by NaN, so they are asked for first.
  SHARED_WITH_HOST bool is_uncertain(int classes, float low_margin) const {
    return !is_void && classes > 1 && (best == second || best - second < low_margin);
  }
};

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
    if (int(threadIdx.x & 31) == __ffs(active) - 1) atomicAdd(&histogram[labels[0]], N * __popc(active));
    return;
  }
  int run = 1;
  for (int i = 1; i <= N; i++) {
    if (i < N && labels[i] == labels[i - 1]) {
      run++;
    } else {
      atomicAdd(&histogram[labels[i - 1]], run);
      run = 1;
    }
  }
}

template <typename T, int N>
__device__ __forceinline__ u32 decode_groups(const T* logits, u8* labels, u32* histogram, int classes, int plane,
                                             float low_margin) {
  const int step = gridDim.x * BLOCK;
  u32 uncertain = 0;
  for (int group = blockIdx.x * BLOCK + threadIdx.x; group < plane / N; group += step) {
    const T* source = logits + size_t(group) * N;
    Pixel pixels[N];
    Pack<T, N> values = *reinterpret_cast<const Pack<T, N>*>(source);
    for (int i = 0; i < N; i++) pixels[i].start(to_float(values.at[i]));
#pragma unroll 4
    for (int channel = 1; channel < classes; channel++) {
      values = *reinterpret_cast<const Pack<T, N>*>(source + size_t(channel) * plane);
      for (int i = 0; i < N; i++) pixels[i].offer(to_float(values.at[i]), channel);
    }
    Pack<u8, N> written;
    int results[N];
    for (int i = 0; i < N; i++) {
      results[i] = pixels[i].result(classes);
      written.at[i] = u8(results[i]);
      uncertain += pixels[i].is_uncertain(classes, low_margin);
    }
    *reinterpret_cast<Pack<u8, N>*>(labels + size_t(group) * N) = written;
    tally<N>(histogram, results);
  }
  return uncertain;
}

template <typename T>
__device__ __forceinline__ void decode(const T* logits, u8* labels, u32* totals, int classes, int plane,
                                       float low_margin) {
  extern __shared__ u32 histograms[];  // [WARPS][classes + 2]
  const int bins = classes + 2;
  for (int i = threadIdx.x; i < WARPS * bins; i += BLOCK) histograms[i] = 0;
  __syncthreads();
  u32* mine = histograms + (threadIdx.x / 32) * bins;
  const u32 uncertain = plane % 4 ? decode_groups<T, 1>(logits, labels, mine, classes, plane, low_margin)
                                  : decode_groups<T, 4>(logits, labels, mine, classes, plane, low_margin);
  if (uncertain) atomicAdd(&mine[classes + 1], uncertain);
  __syncthreads();
  for (int bin = threadIdx.x; bin < bins; bin += BLOCK) {
    u32 sum = 0;
    for (int warp = 0; warp < WARPS; warp++) sum += histograms[warp * bins + bin];
    if (sum) atomicAdd(&totals[bin], sum);
  }
}

extern "C" __global__ void __launch_bounds__(BLOCK)
    decode_float16(const Half* logits, u8* labels, u32* totals, int classes, int plane, float low_margin) {
  decode(logits, labels, totals, classes, plane, low_margin);
}

extern "C" __global__ void __launch_bounds__(BLOCK)
    decode_float32(const float* logits, u8* labels, u32* totals, int classes, int plane, float low_margin) {
  decode(logits, labels, totals, classes, plane, low_margin);
}

#else

template <typename T>
static void decode(const T* logits, u8* labels, u32* totals, int classes, int plane, float low_margin) {
  for (int at = 0; at < plane; at++) {
    Pixel pixel;
    pixel.start(to_float(logits[at]));
    for (int channel = 1; channel < classes; channel++)
      pixel.offer(to_float(logits[size_t(channel) * plane + at]), channel);
    labels[at] = u8(pixel.result(classes));
    totals[pixel.result(classes)]++;
    totals[classes + 1] += pixel.is_uncertain(classes, low_margin);
  }
}

extern "C" void decode_host_float16(const Half* logits, u8* labels, u32* totals, int classes, int plane, float low_margin) {
  decode(logits, labels, totals, classes, plane, low_margin);
}

extern "C" void decode_host_float32(const float* logits, u8* labels, u32* totals, int classes, int plane,
                                    float low_margin) {
  decode(logits, labels, totals, classes, plane, low_margin);
}

#endif
