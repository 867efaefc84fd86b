/*
 * Lets a daemon of a Linux distribution, unmodified, sit on a character device of ours: LD_PRELOAD this, built with
 * gcc -shared -fPIC, and its open() of a device becomes a connection to the socket where serveCharacterDevice listens.
 *
 *   BIS_DEVICES="/dev/vmbus/hv_kvp=/tmp/kvp.socket"   devices and their sockets, separated by ':'
 *   BIS_FOLDERS="/var/lib/hyperv=/tmp/pools"          folders that stand in for others, likewise
 *   BIS_MOUNTS="/tmp/mounts"                          a file in place of the table of mounts
 *   BIS_FREEZES="/tmp/freezes"                        where freezes and thaws are written down, and not done
 *
 * Frames: 32-bit little-endian length of what follows, one byte of kind, payload.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <mntent.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { OPENED, WRITE, MESSAGE, WRITTEN };
enum { MAX_DEVICES = 8, MAX_FRAME = 1 << 20 };

struct frame {
  struct frame *next;
  uint32_t length;
  unsigned char payload[];
};

/* Messages that came while a write waited for its result. */
static struct device {
  int fd;
  struct frame *messages;
} devices[MAX_DEVICES];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static struct device *device_of(int fd) {
  for (int i = 0; i < MAX_DEVICES; i++)
    if (fd >= 0 && devices[i].fd == fd + 1)
      return &devices[i];
  return NULL;
}

/* The value of a name in a list "name=value:name=value"; with prefix, of a folder that the name lies in. */
static int look_up(const char *list, const char *name, int prefix, char *result, size_t size) {
  char copy[4096], *save = NULL;
  if (list == NULL || name == NULL)
    return 0;
  snprintf(copy, sizeof copy, "%s", list);
  for (char *item = strtok_r(copy, ":", &save); item != NULL; item = strtok_r(NULL, ":", &save)) {
    char *value = strchr(item, '=');
    size_t length;
    if (value == NULL)
      continue;
    *value++ = 0;
    length = strlen(item);
    if (strncmp(name, item, length) != 0 || (name[length] != 0 && !(prefix && name[length] == '/')))
      continue;
    return snprintf(result, size, "%s%s", value, name + length) < (int)size;
  }
  return 0;
}

static const char *redirected(const char *path, char *buffer, size_t size) {
  return look_up(getenv("BIS_FOLDERS"), path, 1, buffer, size) ? buffer : path;
}

static int all(int fd, void *data, size_t length, int writing) {
  for (size_t done = 0; done < length;) {
    char *at = (char *)data + done;
    ssize_t n = writing ? REAL(write)(fd, at, length - done) : REAL(read)(fd, at, length - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return -1;
    done += n;
  }
  return 0;
}

static struct frame *receive(int fd, unsigned char *kind) {
  uint32_t length;
  struct frame *frame;
  if (all(fd, &length, 4, 0) != 0 || length < 1 || length > MAX_FRAME || all(fd, kind, 1, 0) != 0)
    return NULL;
  frame = malloc(sizeof *frame + length);
  frame->next = NULL;
  frame->length = length - 1;
  if (all(fd, frame->payload, length - 1, 0) == 0)
    return frame;
  free(frame);
  return NULL;
}

/* The error number in a frame of this kind; messages before it are kept. */
static int result_of(struct device *device, int fd, unsigned char wanted) {
  unsigned char kind;
  struct frame *frame;
  while ((frame = receive(fd, &kind)) != NULL) {
    int32_t error = EIO;
    if (kind == MESSAGE && device != NULL) {
      struct frame **last = &device->messages;
      while (*last != NULL)
        last = &(*last)->next;
      *last = frame;
      continue;
    }
    if (kind == wanted && frame->length == 4)
      memcpy(&error, frame->payload, 4);
    free(frame);
    return error;
  }
  return EBADF;
}

static int open_device(const char *socket_path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int error;
  if (strlen(socket_path) < sizeof address.sun_path)
    strcpy(address.sun_path, socket_path);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
    error = ENODEV;
  else
    error = result_of(NULL, fd, OPENED);
  for (int i = 0; error == 0 && i < MAX_DEVICES; i++) {
    if (devices[i].fd != 0)
      continue;
    devices[i].fd = fd + 1;
    return fd;
  }
  if (fd >= 0)
    REAL(close)(fd);
  errno = error != 0 ? error : EMFILE;
  return -1;
}

int open(const char *path, int flags, ...) {
  char buffer[4096];
  mode_t mode = 0;
  va_list arguments;
  if (look_up(getenv("BIS_DEVICES"), path, 0, buffer, sizeof buffer))
    return open_device(buffer);
  va_start(arguments, flags);
  if (flags & O_CREAT)
    mode = va_arg(arguments, mode_t);
  va_end(arguments);
  return REAL(open)(redirected(path, buffer, sizeof buffer), flags, mode);
}

/* What programs with 64-bit file offsets call; the same on 64-bit systems. */
int open64(const char *path, int flags, ...) {
  mode_t mode = 0;
  va_list arguments;
  va_start(arguments, flags);
  if (flags & O_CREAT)
    mode = va_arg(arguments, mode_t);
  va_end(arguments);
  return open(path, flags, mode);
}

static ssize_t read_device(struct device *device, int fd, void *data, size_t size) {
  struct frame *frame = device->messages;
  unsigned char kind = MESSAGE;
  ssize_t length;
  if (frame != NULL)
    device->messages = frame->next;
  else
    frame = receive(fd, &kind);
  if (frame == NULL || kind != MESSAGE) {
    free(frame);
    errno = EBADF;
    return -1;
  }
  length = frame->length;
  if (frame->length <= size)
    memcpy(data, frame->payload, frame->length);
  else
    length = -1;
  free(frame);
  if (length < 0)
    errno = EINVAL;
  return length;
}

ssize_t read(int fd, void *data, size_t size) {
  struct device *device = device_of(fd);
  return device != NULL ? read_device(device, fd, data, size) : REAL(read)(fd, data, size);
}

ssize_t pread(int fd, void *data, size_t size, off_t offset) {
  struct device *device = device_of(fd);
  return device != NULL ? read_device(device, fd, data, size) : REAL(pread)(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size) {
  struct device *device = device_of(fd);
  uint32_t length = size + 1;
  unsigned char kind = WRITE;
  int error;
  if (device == NULL)
    return REAL(write)(fd, data, size);
  if (all(fd, &length, 4, 1) != 0 || all(fd, &kind, 1, 1) != 0 || all(fd, (void *)data, size, 1) != 0)
    error = EBADF;
  else
    error = result_of(device, fd, WRITTEN);
  if (error == 0)
    return size;
  errno = error;
  return -1;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
  return device_of(fd) != NULL ? write(fd, data, size) : REAL(pwrite)(fd, data, size, offset);
}

int poll(struct pollfd *entries, nfds_t count, int timeout) {
  for (nfds_t i = 0; i < count; i++) {
    struct device *device = device_of(entries[i].fd);
    if (device == NULL || device->messages == NULL || !(entries[i].events & POLLIN))
      continue;
    for (nfds_t j = 0; j < count; j++)
      entries[j].revents = j == i ? POLLIN : 0;
    return 1;
  }
  return REAL(poll)(entries, count, timeout);
}

int close(int fd) {
  struct device *device = device_of(fd);
  if (device != NULL) {
    while (device->messages != NULL) {
      struct frame *next = device->messages->next;
      free(device->messages);
      device->messages = next;
    }
    device->fd = 0;
  }
  return REAL(close)(fd);
}

FILE *fopen(const char *path, const char *mode) {
  char buffer[4096];
  return REAL(fopen)(redirected(path, buffer, sizeof buffer), mode);
}

int access(const char *path, int mode) {
  char buffer[4096];
  return REAL(access)(redirected(path, buffer, sizeof buffer), mode);
}

int mkdir(const char *path, mode_t mode) {
  char buffer[4096];
  return REAL(mkdir)(redirected(path, buffer, sizeof buffer), mode);
}

FILE *setmntent(const char *path, const char *type) {
  const char *mounts = getenv("BIS_MOUNTS");
  return REAL(setmntent)(mounts != NULL ? mounts : path, type);
}

/* Nothing of this machine is ever frozen from here. The folder's name says what the file system answers. */
static int pretend(int fd, unsigned long request) {
  const char *log = getenv("BIS_FREEZES");
  char link[64], folder[4096] = "";
  int file = log != NULL ? REAL(open)(log, O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (readlink(link, folder, sizeof folder - 1) < 0 || file < 0) {
    errno = EPERM;
    return -1;
  }
  dprintf(file, "%s %s\n", request == FIFREEZE ? "freeze" : "thaw", folder);
  REAL(close)(file);
  if (request == FIFREEZE && strstr(folder, "broken") != NULL) {
    errno = EIO;
    return -1;
  }
  return 0;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  void *argument;
  va_start(arguments, request);
  argument = va_arg(arguments, void *);
  va_end(arguments);
  if (request == FIFREEZE || request == FITHAW)
    return pretend(fd, request);
  return REAL(ioctl)(fd, request, argument);
}
