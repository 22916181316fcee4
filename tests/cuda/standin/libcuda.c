// A CUDA driver without a GPU, as far as edge_segnet asks one: pycuda itself runs on it, so that its calls, its context
// stack and its errors are the real ones. Device memory is host memory, streams do their work at once, and the one
// kernel is decode.cu compiled for the host. It is strict: a call without a current context fails, a copy outside of an
// allocation or a kernel on foreign memory is an illegal access, and after that every call fails, as on a GPU.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int CUresult;
enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_IMAGE = 200, INVALID_CONTEXT = 201, ILLEGAL_ADDRESS = 700 };

void decode_host_float16(const void*, uint8_t*, uint32_t*, int, int, float);
void decode_host_float32(const void*, uint8_t*, uint32_t*, int, int, float);

static struct { uint8_t* start; size_t size; int host; } spaces[256];
static _Thread_local int depth;
static int retained, sticky;
static const size_t TOTAL = (size_t)1 << 30;

#define NEEDS_CONTEXT \
  if (sticky) return sticky; \
  if (!depth) return INVALID_CONTEXT;

static int holds(const void* at, size_t size) {
  for (int i = 0; i < 256; i++) {
    const uint8_t* start = spaces[i].start;
    if (start && (const uint8_t*)at >= start && (const uint8_t*)at + size <= start + spaces[i].size) return 1;
  }
  return 0;
}

static CUresult allocate(void** out, size_t size, int host) {
  if (size > TOTAL) return OUT_OF_MEMORY;
  for (int i = 0; i < 256; i++) {
    if (spaces[i].start) continue;
    spaces[i].start = malloc(size);
    memset(spaces[i].start, 0xA5, size);
    spaces[i].size = size;
    spaces[i].host = host;
    *out = spaces[i].start;
    return OK;
  }
  return OUT_OF_MEMORY;
}

static CUresult release(void* at) {
  for (int i = 0; i < 256; i++) {
    if (spaces[i].start == at) {
      free(at);
      spaces[i].start = NULL;
      return OK;
    }
  }
  return INVALID_VALUE;
}

static CUresult move(void* to, const void* from, size_t size) {
  NEEDS_CONTEXT
  if (!holds(to, size) || !holds(from, size)) return sticky = ILLEGAL_ADDRESS;
  memcpy(to, from, size);
  return OK;
}

int standin_allocations(void) {
  int count = 0;
  for (int i = 0; i < 256; i++) count += spaces[i].start != NULL;
  return count;
}
int standin_retained(void) { return retained; }

CUresult cuInit(unsigned flags) { return flags ? INVALID_VALUE : OK; }
CUresult cuDriverGetVersion(int* version) { return *version = 13000, OK; }
CUresult cuGetErrorString(CUresult error, const char** text) {
  *text = error == ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
          : error == OUT_OF_MEMORY ? "out of memory"
          : error == INVALID_IMAGE ? "device kernel image is invalid"
          : error == INVALID_CONTEXT ? "invalid device context" : "invalid argument";
  return OK;
}
CUresult cuGetExportTable(const void** table, const void* id) { return *table = NULL, id ? 500 : INVALID_VALUE; }  // NVRTC asks
CUresult cuDeviceGetCount(int* count) { return *count = 1, OK; }
CUresult cuDeviceGet(int* device, int ordinal) { return *device = ordinal, ordinal ? INVALID_VALUE : OK; }
CUresult cuDeviceGetName(char* name, int length, int device) {
  strncpy(name, "Stand-in", (size_t)length);
  return device;
}
CUresult cuDeviceComputeCapability(int* major, int* minor, int device) { return *major = 8, *minor = 7, device; }
CUresult cuDeviceGetAttribute(int* value, int which, int device) {
  *value = which == 75 ? 8 : which == 76 ? 7 : which == 16 ? 8 : which == 18 ? INTEGRATED : 1;
  return device;
}

CUresult cuDevicePrimaryCtxRetain(void** context, int device) { return retained++, *context = &retained, device; }
CUresult cuDevicePrimaryCtxRelease_v2(int device) { return retained--, device; }
CUresult cuCtxPushCurrent_v2(void* context) { return depth++, context == &retained ? OK : INVALID_CONTEXT; }
CUresult cuCtxPopCurrent_v2(void** context) {
  if (!depth) return INVALID_CONTEXT;
  depth--;
  if (context) *context = &retained;
  return OK;
}
CUresult cuCtxGetDevice(int* device) { return *device = 0, depth ? OK : INVALID_CONTEXT; }
CUresult cuCtxSynchronize(void) { NEEDS_CONTEXT return OK; }

CUresult cuMemAlloc_v2(void** out, size_t size) { NEEDS_CONTEXT return allocate(out, size, 0); }
CUresult cuMemFree_v2(void* at) { return release(at); }
CUresult cuMemHostAlloc(void** out, size_t size, unsigned flags) { NEEDS_CONTEXT return allocate(out, size, 1 + (int)flags); }
CUresult cuMemFreeHost(void* at) { return release(at); }
CUresult cuMemHostGetDevicePointer_v2(void** out, void* at, unsigned flags) {
  for (int i = 0; i < 256; i++)
    if (spaces[i].start == at && spaces[i].host == 1 + 2) return *out = at, flags ? INVALID_VALUE : OK;
  return INVALID_VALUE;  // not allocated with DEVICEMAP
}
CUresult cuMemGetInfo_v2(size_t* available, size_t* total) { NEEDS_CONTEXT return *available = *total = TOTAL, OK; }
CUresult cuMemcpyHtoDAsync_v2(void* to, const void* from, size_t size, void* stream) { return stream ? move(to, from, size) : INVALID_VALUE; }
CUresult cuMemcpyDtoHAsync_v2(void* to, const void* from, size_t size, void* stream) { return stream ? move(to, from, size) : INVALID_VALUE; }
CUresult cuMemcpyDtoDAsync_v2(void* to, const void* from, size_t size, void* stream) { return stream ? move(to, from, size) : INVALID_VALUE; }
CUresult cuMemsetD32Async(uint32_t* at, unsigned value, size_t count, void* stream) {
  NEEDS_CONTEXT
  if (!holds(at, 4 * count)) return sticky = ILLEGAL_ADDRESS;
  while (count--) *at++ = value;
  return stream ? OK : INVALID_VALUE;
}

CUresult cuStreamCreate(void** stream, unsigned flags) { NEEDS_CONTEXT return *stream = malloc(1), flags ? INVALID_VALUE : OK; }
CUresult cuStreamDestroy_v2(void* stream) { return free(stream), OK; }
CUresult cuStreamSynchronize(void* stream) { NEEDS_CONTEXT return stream ? OK : INVALID_VALUE; }
CUresult cuEventCreate(int** event, unsigned flags) { NEEDS_CONTEXT return *event = calloc(1, 4), flags ? INVALID_VALUE : OK; }
CUresult cuEventDestroy_v2(int* event) { return free(event), OK; }
CUresult cuEventRecord(int* event, void* stream) { NEEDS_CONTEXT return *event = 1, stream ? OK : INVALID_VALUE; }
CUresult cuEventElapsedTime_v2(float* time, int* from, int* to) { return *time = 0.25f, *from && *to ? OK : INVALID_VALUE; }

CUresult cuModuleLoadDataEx(void** module, const char* image, unsigned count, void* options, void* values) {
  NEEDS_CONTEXT
  (void)count, (void)options, (void)values;  // buffers for the linker's words
  return *module = &depth, memcmp(image, "\177ELF", 4) || strlen(image) < 5 ? INVALID_IMAGE : OK;
}
CUresult cuModuleLoadData(void** module, const char* image) { return cuModuleLoadDataEx(module, image, 0, 0, 0); }
CUresult cuModuleUnload(void* module) { return module ? OK : INVALID_VALUE; }
CUresult cuModuleGetFunction(void** function, void* module, const char* name) {
  *function = strcmp(name, "decode_float16") ? strcmp(name, "decode_float32") ? NULL : (void*)decode_host_float32
                                              : (void*)decode_host_float16;
  return *function && module ? OK : 500;
}
CUresult cuFuncSetBlockShape(void* function, int x, int y, int z) { NEEDS_CONTEXT return function && x > 0 && y > 0 && z > 0 ? OK : INVALID_VALUE; }
CUresult cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                        unsigned block_y, unsigned block_z, unsigned shared, void* stream, void** parameters,
                        void** extra) {
  NEEDS_CONTEXT
  if (parameters || !extra || !stream || !grid_x || grid_y * grid_z * block_y * block_z != 1 || block_x != 256)
    return INVALID_VALUE;
  struct { void *logits, *labels, *totals; int classes, plane; float low_margin; } given;
  if (*(size_t*)extra[3] < 36) return INVALID_VALUE;
  memcpy(&given, extra[1], 36);
  const size_t wide = function == (void*)decode_host_float16 ? 2 : 4, bins = (size_t)given.classes + 2;
  if (shared != 32 * bins || !holds(given.logits, wide * (size_t)given.classes * (size_t)given.plane) ||
      !holds(given.labels, (size_t)given.plane) || !holds(given.totals, 4 * bins))
    return sticky = ILLEGAL_ADDRESS;
  (wide == 2 ? decode_host_float16 : decode_host_float32)(given.logits, given.labels, given.totals, given.classes,
                                                          given.plane, given.low_margin);
  return OK;
}
