// A CUDA driver without a GPU, as far as edge_segnet asks one: pycuda and cuda-bindings run on it, so that their calls,
// context stacks and errors are the real ones. Device memory is host memory, streams do their work at once, and the one
// kernel is decode.cu compiled for the host. It is strict: a call without a current context fails, a copy outside of an
// allocation or a kernel on foreign memory is an illegal access, and after that every call fails, as on a GPU.
//
// A stream that captures does nothing, and keeps what it is given for the graph. What must not happen meanwhile breaks
// the capture; an event that was recorded without CU_EVENT_RECORD_EXTERNAL can be read by nobody.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int CUresult;
enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_IMAGE = 200, INVALID_CONTEXT = 201, NOT_FOUND = 500,
       ILLEGAL_ADDRESS = 700, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901, CAPTURED_EVENT = 907 };

void decode_host_float16(const void*, uint8_t*, uint32_t*, int, int, int, float);
void decode_host_float32(const void*, uint8_t*, uint32_t*, int, int, int, float);

typedef struct { void *logits, *labels, *totals; int channels, classes, plane; float scale; } Arguments;
enum { ARGUMENTS = 40 };  // bytes, without what C puts behind them
typedef struct { int recorded, captured; } Event;
typedef struct {
  enum { COPY, SET, KERNEL, HOST, RECORD } kind;
  void *to, *from;  // of a kernel: from is the function; of a host function: its data
  size_t size;      // of a setting: 32-bit words
  unsigned value;   // of a kernel: bytes of shared memory
  Arguments given;
} Node;
typedef struct { Node nodes[64]; int count; } Graph;
typedef struct { int capturing, broken; Graph graph; } Stream;

static struct { uint8_t* start; size_t size; int host; } spaces[256];
static _Thread_local int depth;
static int retained, sticky, capturing;
static int graphs, launches;
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

#define NOT_IN_A_CAPTURE \
  if (capturing) return broke(), CAPTURE_UNSUPPORTED;

static Stream* streams[64];

static void broke(void) {
  for (int i = 0; i < 64; i++)
    if (streams[i] && streams[i]->capturing) streams[i]->broken = 1;
}

static CUresult launch(const Node* node) {
  const Arguments* given = &node->given;
  const size_t wide = node->from == (void*)decode_host_float16 ? 2 : 4, bins = 2 * (size_t)given->classes + 4;
  const size_t plane = (size_t)given->plane;
  if (node->value != 32 * bins || !holds(given->logits, wide * (size_t)given->channels * plane) ||
      !holds(given->labels, 2 * plane) || !holds(given->totals, 4 * bins))
    return sticky = ILLEGAL_ADDRESS;
  (wide == 2 ? decode_host_float16 : decode_host_float32)(given->logits, given->labels, given->totals, given->channels,
                                                          given->classes, given->plane, given->scale);
  return OK;
}

static CUresult perform(Node* node) {
  switch (node->kind) {
    case COPY:
      if (!holds(node->to, node->size) || !holds(node->from, node->size)) return sticky = ILLEGAL_ADDRESS;
      memcpy(node->to, node->from, node->size);
      return OK;
    case SET:
      if (!holds(node->to, 4 * node->size)) return sticky = ILLEGAL_ADDRESS;
      for (size_t i = 0; i < node->size; i++) ((uint32_t*)node->to)[i] = node->value;
      return OK;
    case KERNEL: return launch(node);
    case HOST: return ((void (*)(void*))node->to)(node->from), OK;
    case RECORD: {
      Event* event = node->to;
      return event->recorded = 1, event->captured = 0, OK;
    }
  }
  return INVALID_VALUE;
}

static CUresult put(Stream* stream, Node node) {
  NEEDS_CONTEXT
  if (!stream) return INVALID_VALUE;
  if (!stream->capturing) return perform(&node);
  if (stream->broken || stream->graph.count == 64) return CAPTURE_INVALIDATED;
  return stream->graph.nodes[stream->graph.count++] = node, OK;
}

int standin_allocations(void) {
  int count = 0;
  for (int i = 0; i < 256; i++) count += spaces[i].start != NULL;
  return count;
}
int standin_retained(void) { return retained; }
int standin_graphs(void) { return graphs; }
int standin_launches(void) { return launches; }

CUresult cuInit(unsigned flags) { return flags ? INVALID_VALUE : OK; }
CUresult cuDriverGetVersion(int* version) { return *version = 13000, OK; }
CUresult cuGetErrorString(CUresult error, const char** text) {
  *text = error == ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
          : error == OUT_OF_MEMORY ? "out of memory"
          : error == INVALID_IMAGE ? "device kernel image is invalid"
          : error == INVALID_CONTEXT ? "invalid device context"
          : error == CAPTURE_UNSUPPORTED ? "operation not permitted when stream is capturing"
          : error == CAPTURE_INVALIDATED ? "operation failed due to a previous error during capture"
          : error == CAPTURED_EVENT ? "operation not permitted on an event last recorded in a capturing stream"
          : "invalid argument";
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
CUresult cuCtxSynchronize(void) { NEEDS_CONTEXT NOT_IN_A_CAPTURE return OK; }

CUresult cuMemAlloc_v2(void** out, size_t size) { NEEDS_CONTEXT NOT_IN_A_CAPTURE return allocate(out, size, 0); }
CUresult cuMemFree_v2(void* at) { return release(at); }
CUresult cuMemHostAlloc(void** out, size_t size, unsigned flags) { NEEDS_CONTEXT NOT_IN_A_CAPTURE return allocate(out, size, 1 + (int)flags); }
CUresult cuMemFreeHost(void* at) { return release(at); }
CUresult cuMemHostGetDevicePointer_v2(void** out, void* at, unsigned flags) {
  for (int i = 0; i < 256; i++)
    if (spaces[i].start == at && spaces[i].host == 1 + 2) return *out = at, flags ? INVALID_VALUE : OK;
  return INVALID_VALUE;  // not allocated with DEVICEMAP
}
CUresult cuMemGetInfo_v2(size_t* available, size_t* total) { NEEDS_CONTEXT return *available = *total = TOTAL, OK; }
CUresult cuMemcpyHtoDAsync_v2(void* to, const void* from, size_t size, void* stream) {
  return put(stream, (Node){.kind = COPY, .to = to, .from = (void*)from, .size = size});
}
CUresult cuMemcpyDtoHAsync_v2(void* to, const void* from, size_t size, void* stream) { return cuMemcpyHtoDAsync_v2(to, from, size, stream); }
CUresult cuMemcpyDtoDAsync_v2(void* to, const void* from, size_t size, void* stream) { return cuMemcpyHtoDAsync_v2(to, from, size, stream); }
CUresult cuMemsetD32Async(uint32_t* at, unsigned value, size_t count, void* stream) {
  return put(stream, (Node){.kind = SET, .to = at, .value = value, .size = count});
}
CUresult cuLaunchHostFunc(void* stream, void (*function)(void*), void* data) {
  return put(stream, (Node){.kind = HOST, .to = (void*)function, .from = data});
}

CUresult cuStreamCreate(void** stream, unsigned flags) {
  NEEDS_CONTEXT
  for (int i = 0; i < 64; i++)
    if (!streams[i]) return *stream = streams[i] = calloc(1, sizeof(Stream)), flags > 1 ? INVALID_VALUE : OK;
  return OUT_OF_MEMORY;
}
CUresult cuStreamDestroy_v2(void* stream) {
  for (int i = 0; i < 64; i++)
    if (streams[i] == stream) streams[i] = NULL;
  return free(stream), OK;
}
CUresult cuStreamSynchronize(void* stream) { NEEDS_CONTEXT NOT_IN_A_CAPTURE return stream ? OK : INVALID_VALUE; }
CUresult cuStreamWaitEvent(void* stream, Event* event, unsigned flags) {
  NEEDS_CONTEXT
  return stream && event->recorded && !event->captured && !flags ? OK : INVALID_VALUE;
}
CUresult cuStreamBeginCapture_v2(Stream* stream, int mode) {
  NEEDS_CONTEXT
  if (mode != 1 || stream->capturing) return INVALID_VALUE;  // thread-local
  memset(&stream->graph, 0, sizeof(Graph));
  return capturing++, stream->broken = 0, stream->capturing = 1, OK;
}
CUresult cuStreamEndCapture(Stream* stream, Graph** graph) {
  if (!stream->capturing) return INVALID_VALUE;
  stream->capturing = 0, capturing--;
  *graph = NULL;
  if (stream->broken) return CAPTURE_INVALIDATED;
  *graph = malloc(sizeof(Graph));
  return memcpy(*graph, &stream->graph, sizeof(Graph)), OK;
}
CUresult cuGraphInstantiateWithFlags(Graph** made, Graph* graph, unsigned long long flags) {
  NEEDS_CONTEXT
  *made = malloc(sizeof(Graph));
  return memcpy(*made, graph, sizeof(Graph)), graphs++, flags ? INVALID_VALUE : OK;
}
CUresult cuGraphInstantiate(Graph** made, Graph* graph, unsigned long long flags) { return cuGraphInstantiateWithFlags(made, graph, flags); }
CUresult cuGraphDestroy(Graph* graph) { return free(graph), OK; }
CUresult cuGraphExecDestroy(Graph* graph) { return free(graph), graphs--, OK; }
CUresult cuGraphLaunch(Graph* graph, Stream* stream) {
  NEEDS_CONTEXT
  CUresult status = stream && !stream->capturing ? OK : INVALID_VALUE;
  for (int i = 0; i < graph->count && !status; i++) status = perform(&graph->nodes[i]);
  return launches++, status;
}

CUresult cuEventCreate(Event** event, unsigned flags) { NEEDS_CONTEXT return *event = calloc(1, sizeof(Event)), flags ? INVALID_VALUE : OK; }
CUresult cuEventDestroy_v2(Event* event) { return free(event), OK; }
CUresult cuEventRecordWithFlags(Event* event, Stream* stream, unsigned external) {
  if (stream && stream->capturing && !external) return event->captured = 1, OK;
  event->recorded = 0, event->captured = stream && stream->capturing;  // by a node: until the graph has run
  return put(stream, (Node){.kind = RECORD, .to = event});
}
CUresult cuEventRecord(Event* event, Stream* stream) { return cuEventRecordWithFlags(event, stream, 0); }
CUresult cuEventSynchronize(Event* event) { NEEDS_CONTEXT return event->captured ? CAPTURED_EVENT : event->recorded ? OK : INVALID_VALUE; }
CUresult cuEventElapsedTime_v2(float* time, Event* from, Event* to) {
  NEEDS_CONTEXT
  if (from->captured || to->captured) return CAPTURED_EVENT;
  return *time = 0.25f, from->recorded && to->recorded ? OK : INVALID_VALUE;
}
CUresult cuEventElapsedTime(float* time, Event* from, Event* to) { return cuEventElapsedTime_v2(time, from, to); }

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
  if (!stream || !grid_x || grid_y * grid_z * block_y * block_z != 1 || block_x != 256) return INVALID_VALUE;
  Node node = {.kind = KERNEL, .from = function, .value = shared};
  if (parameters) {  // one by one, as cuda-bindings gives them
    const size_t places[] = {0, 8, 16, 24, 28, 32, 36, ARGUMENTS};
    for (int i = 0; i < 7; i++) memcpy((char*)&node.given + places[i], parameters[i], places[i + 1] - places[i]);
  } else {  // packed, as pycuda does
    if (!extra || *(size_t*)extra[3] < ARGUMENTS) return INVALID_VALUE;
    memcpy(&node.given, extra[1], ARGUMENTS);
  }
  return put(stream, node);
}

// The calls that a program looks up by name: those here, in their newest version.
CUresult cuGetProcAddress_v2(const char* symbol, void** found, int version, unsigned long long flags, int* status) {
  static const char* const endings[] = {"_v3", "_v2", ""};
  Dl_info here;
  (void)version, (void)flags;
  dladdr((void*)cuGetProcAddress_v2, &here);
  void* library = dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  *found = NULL;
  for (int i = 0; i < 3 && !*found; i++) {
    char name[128];
    snprintf(name, sizeof name, "%s%s", symbol, endings[i]);
    *found = dlsym(library, name);
  }
  if (status) *status = *found ? 0 : 1;
  return *found ? OK : NOT_FOUND;
}
