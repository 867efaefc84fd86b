/*
 * The ring in C, to measure ours against: the same layout, checks, copies and fences as @bis/hyperv-types/ring.
 * Functions are kept out of line, as a driver calls its bus across a module boundary.
 *
 * usage: ring copy|one|two BYTES ROUNDS RINGBYTES
 *   copy: one memcpy of BYTES; one: write and read a packet in one thread; two: a thread at each end
 * Runs ROUNDS and prints nanoseconds for each, once for each line read; so the caller can take turns with it.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#define OUT_OF_LINE __attribute__((noinline))
#define PAGE 4096u

struct control {
  _Atomic uint32_t write, read, mask, pending;
  uint32_t reserved[12];
  _Atomic uint32_t features;
};

struct descriptor {
  uint16_t type, offset8, length8, flags;
  uint64_t id;
};

struct producer {
  struct control *control;
  uint8_t *data;
  uint32_t size, write, read, pending;
  bool flow_control, dead;
  uint64_t packets, signals, suppressed, full;
};

struct consumer {
  struct control *control;
  uint8_t *data;
  uint8_t *scratch;
  uint32_t size, scratch_size, read, published, write;
  bool dead;
  uint64_t packets, signals, suppressed, oversized;
};

enum written { WRITTEN, WRITTEN_SIGNAL, RING_FULL, RING_CORRUPT };
enum found { EMPTY, PACKET, OVERSIZED, CORRUPT };

static inline uint32_t wrap(uint32_t index, uint32_t size) { return index < size ? index : index - size; }
static inline uint32_t distance(uint32_t from, uint32_t to, uint32_t size) { return to >= from ? to - from : to - from + size; }
static inline bool valid(uint32_t index, uint32_t size) { return index < size && index % 8 == 0; }

static uint32_t copy_in(uint8_t *data, uint32_t size, uint32_t at, const void *from, uint32_t length) {
  uint32_t first = size - at;
  if (length <= first) {
    memcpy(data + at, from, length);
  } else {
    memcpy(data + at, from, first);
    memcpy(data, (const uint8_t *)from + first, length - first);
  }
  return wrap(at + length, size);
}

static void copy_out(const uint8_t *data, uint32_t size, uint32_t at, void *to, uint32_t length) {
  uint32_t first = size - at;
  if (length <= first) {
    memcpy(to, data + at, length);
  } else {
    memcpy(to, data + at, first);
    memcpy((uint8_t *)to + first, data, length - first);
  }
}

OUT_OF_LINE static enum written ring_write(struct producer *p, uint16_t type, uint16_t flags, uint64_t id,
                                           const void *header, uint32_t header_length,
                                           const void *payload, uint32_t payload_length) {
  uint32_t length = (sizeof(struct descriptor) + header_length + payload_length + 7) & ~7u;
  uint32_t need = length + 8;
  if (p->dead || header_length % 8 != 0 || length > p->size - 16) return RING_CORRUPT;
  if (p->size - distance(p->read, p->write, p->size) <= need) {
    uint32_t read = atomic_load(&p->control->read);
    if (!valid(read, p->size)) { p->dead = true; return RING_CORRUPT; }
    p->read = read;
    if (p->size - distance(p->read, p->write, p->size) <= need) {
      if (!p->flow_control) { p->full++; return RING_FULL; }
      p->pending = need;
      atomic_store(&p->control->pending, need);
      read = atomic_load(&p->control->read);
      if (!valid(read, p->size)) { p->dead = true; return RING_CORRUPT; }
      p->read = read;
      if (p->size - distance(p->read, p->write, p->size) <= need) { p->full++; return RING_FULL; }
    }
  }
  uint32_t old = p->write, padding = length - (uint32_t)sizeof(struct descriptor) - header_length - payload_length;
  struct descriptor descriptor = { type, (uint16_t)((sizeof descriptor + header_length) / 8), (uint16_t)(length / 8), flags, id };
  uint64_t trailer = (uint64_t)old << 32, zero = 0;
  uint32_t at = copy_in(p->data, p->size, old, &descriptor, sizeof descriptor);
  if (header_length != 0) at = copy_in(p->data, p->size, at, header, header_length);
  at = copy_in(p->data, p->size, at, payload, payload_length);
  if (padding != 0) at = copy_in(p->data, p->size, at, &zero, padding);
  p->write = copy_in(p->data, p->size, at, &trailer, sizeof trailer);
  p->packets++;
  if (p->pending != 0 && p->pending <= need) {
    p->pending = 0;
    atomic_store(&p->control->pending, 0);
  }
  atomic_store(&p->control->write, p->write);
  if (atomic_load(&p->control->mask) == 0) {
    uint32_t read = atomic_load(&p->control->read);
    if (!valid(read, p->size)) { p->dead = true; return RING_CORRUPT; }
    p->read = read;
    if (read == old) { p->signals++; return WRITTEN_SIGNAL; }
  }
  p->suppressed++;
  return WRITTEN;
}

static inline enum found take_packet(struct consumer *c, struct descriptor *packet) {
  if (c->dead) return CORRUPT;
  if (c->read == c->write) {
    uint32_t write = atomic_load(&c->control->write);
    if (!valid(write, c->size)) { c->dead = true; return CORRUPT; }
    c->write = write;
    if (c->read == write) return EMPTY;
  }
  uint32_t readable = distance(c->read, c->write, c->size);
  if (readable < sizeof *packet + 8) { c->dead = true; return CORRUPT; }
  copy_out(c->data, c->size, c->read, c->scratch, sizeof *packet);
  memcpy(packet, c->scratch, sizeof *packet);
  uint32_t header_length = packet->offset8 * 8u, length = packet->length8 * 8u;
  if (header_length < sizeof *packet || header_length > length || length + 8 > readable) { c->dead = true; return CORRUPT; }
  uint32_t start = c->read;
  c->read = wrap(start + length + 8, c->size);
  if (length > c->scratch_size) { c->oversized++; return OVERSIZED; }
  copy_out(c->data, c->size, wrap(start + sizeof *packet, c->size), c->scratch + sizeof *packet, length - sizeof *packet);
  c->packets++;
  return PACKET;
}

static inline bool give_back(struct consumer *c) {
  if (c->read == c->published) return false;
  uint32_t taken = distance(c->published, c->read, c->size);
  c->published = c->read;
  atomic_store(&c->control->read, c->read);
  uint32_t pending = atomic_load(&c->control->pending);
  if (pending != 0 && (atomic_load(&c->control->features) & 1) != 0) {
    uint32_t write = atomic_load(&c->control->write);
    if (!valid(write, c->size)) { c->dead = true; return false; }
    int64_t free_now = c->size - distance(c->read, write, c->size);
    pending &= ~7u;
    if (free_now - taken <= pending && pending < free_now) { c->signals++; return true; }
  }
  c->suppressed++;
  return false;
}

OUT_OF_LINE static enum found ring_next(struct consumer *c, struct descriptor *packet) { return take_packet(c, packet); }

OUT_OF_LINE static bool ring_commit(struct consumer *c) { return give_back(c); }

/* both in one, for a reader of single packets */
OUT_OF_LINE static enum found ring_read(struct consumer *c, struct descriptor *packet, bool *signal) {
  enum found found = take_packet(c, packet);
  *signal = (found == PACKET || found == OVERSIZED) && give_back(c);
  return found;
}

static void ring_mask(struct consumer *c) { atomic_store(&c->control->mask, 1); }

static bool ring_unmask(struct consumer *c) {
  atomic_store(&c->control->mask, 0);
  uint32_t write = atomic_load(&c->control->write);
  if (!valid(write, c->size)) { c->dead = true; return false; }
  c->write = write;
  return c->read != write;
}

/* ---- doorbells ---- */

struct doorbell { _Atomic uint32_t rung; };

static void ring_bell(struct doorbell *bell) {
  atomic_store(&bell->rung, 1);
  syscall(SYS_futex, &bell->rung, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void await_bell(struct doorbell *bell) {
  while (atomic_exchange(&bell->rung, 0) == 0) syscall(SYS_futex, &bell->rung, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

/* ---- measuring ---- */

static struct producer producer;
static struct consumer consumer;
static struct doorbell to_consumer, to_producer;
static uint32_t payload_length;
static uint64_t rounds;
static uint8_t *payload;
static volatile uint64_t sink;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *page_aligned(size_t bytes) {
  void *memory = aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE);
  if (memory == NULL) exit(2);
  memset(memory, 0, bytes);
  return memory;
}

static void copy(void) {
  uint8_t *to = producer.data, *from = payload;
  uint32_t at = 0, room = producer.size - payload_length;
  for (uint64_t i = 0; i < rounds; i++) {
    memcpy(to + at, from, payload_length);
    __asm__ volatile("" ::"r"(to) : "memory");
    at += (payload_length + 31) & ~7u;
    if (at > room) at = 0;
  }
}

static void one(void) {
  struct descriptor packet;
  bool signal;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < rounds; i++) {
    if (ring_write(&producer, 6, 0, i + 1, NULL, 0, payload, payload_length) > WRITTEN_SIGNAL) exit(3);
    if (ring_read(&consumer, &packet, &signal) != PACKET || signal) exit(4);
    sum += packet.id + consumer.scratch[packet.offset8 * 8];
  }
  sink = sum;
}

static void *produce(void *unused) {
  for (uint64_t i = 0; i < rounds; i++) {
    for (;;) {
      enum written result = ring_write(&producer, 6, 0, i + 1, NULL, 0, payload, payload_length);
      if (result == WRITTEN) break;
      if (result == WRITTEN_SIGNAL) { ring_bell(&to_consumer); break; }
      if (result == RING_CORRUPT) exit(3);
      await_bell(&to_producer);
    }
  }
  return unused;
}

static void two(void) {
  pthread_t thread;
  struct descriptor packet;
  uint64_t seen = 0, sum = 0;
  uint32_t taken = 0;
  if (pthread_create(&thread, NULL, produce, NULL) != 0) exit(2);
  while (seen < rounds) {
    await_bell(&to_consumer);
    ring_mask(&consumer);
    for (;;) {
      enum found found = ring_next(&consumer, &packet);
      if (found > PACKET) exit(4);
      if (found == PACKET) {
        if (packet.id != ++seen) exit(6);
        sum += consumer.scratch[packet.offset8 * 8];
        taken += packet.length8 * 8u;
        if (taken < consumer.size / 4) continue;
      }
      taken = 0;
      if (ring_commit(&consumer)) ring_bell(&to_producer);
      if (found == EMPTY) {
        if (!ring_unmask(&consumer)) break;
        ring_mask(&consumer);
      }
    }
  }
  pthread_join(thread, NULL);
  sink = sum;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  payload_length = (uint32_t)atoi(argv[2]);
  rounds = strtoull(argv[3], NULL, 10);
  uint32_t ring_bytes = (uint32_t)atoi(argv[4]);
  uint8_t *ring = page_aligned(ring_bytes);
  payload = page_aligned(payload_length + 8);
  struct control *control = (struct control *)ring;
  atomic_store(&control->features, 1);
  producer = (struct producer){ .control = control, .data = ring + PAGE, .size = ring_bytes - PAGE, .flow_control = true };
  consumer = (struct consumer){ .control = control, .data = ring + PAGE, .size = ring_bytes - PAGE };
  consumer.scratch_size = payload_length + 64;
  consumer.scratch = page_aligned(consumer.scratch_size);
  void (*work)(void) = argv[1][0] == 'c' ? copy : argv[1][0] == 'o' ? one : two;
  char line[16];
  work(); /* warm up */
  while (fgets(line, sizeof line, stdin) != NULL) {
    double start = now();
    work();
    printf("%.3f\n", (now() - start) / (double)rounds);
    fflush(stdout);
  }
  return 0;
}
