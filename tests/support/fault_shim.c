/* A disk that fails on demand: preloaded (LD_PRELOAD), it counts the calls that change files under a folder and
 * makes the n-th one go wrong. The program under test holds no code for this.
 *
 *   KINDRED_FAULT_PREFIX   count calls on paths that start with this (absolute)
 *   KINDRED_FAULT_AT       which call goes wrong, from 1; 0 or unset: none
 *   KINDRED_FAULT_ACTION   kill    SIGKILL before the call
 *                          eio     the call fails with EIO
 *                          enospc  the call fails with ENOSPC, and so does every later one that takes space
 *                          eintr   the call fails with EINTR where a signal may interrupt it (write, fsync)
 *                          short   a write writes half of what it was asked to
 *                          erofs   every call fails with EROFS, as on a disk that is mounted read-only, and so does
 *                                  opening a file to write into it; KINDRED_FAULT_AT has no say
 *   KINDRED_FAULT_LOG      a file that gets one line for each call counted: its name and its path
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { kPathBytes = 8192 };
enum Kind { kTakesSpace = 1, kInterruptible = 2 };

static atomic_long n_calls;
static atomic_int disk_full;

static const char* Setting(const char* name) {
  const char* value = getenv(name);
  return value == NULL ? "" : value;
}

/* The path as an absolute one; relative ones start at `folder` (AT_FDCWD: the working directory). */
static void Resolve(int folder, const char* path, char* absolute) {
  char base[kPathBytes / 2] = "";
  char link[64];
  if (path[0] != '/') {
    if (folder == AT_FDCWD)
      snprintf(link, sizeof link, "/proc/self/cwd");
    else
      snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    const ssize_t length = readlink(link, base, sizeof base - 1);
    base[length < 0 ? 0 : length] = '\0';
  }
  snprintf(absolute, kPathBytes, "%s%s%s", base, path[0] == '/' ? "" : "/", path);
}

static void Log(const char* call, const char* path) {
  const char* log = Setting("KINDRED_FAULT_LOG");
  if (*log == '\0') return;
  char line[kPathBytes + 64];
  const int length = snprintf(line, sizeof line, "%s %s\n", call, path);
  const long file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) return;
  syscall(SYS_write, file, line, (size_t)length);
  syscall(SYS_close, file);
}

/* The errno the call must fail with; 0: none; -1: do half of it. */
static int Fault(const char* call, const char* path, int kind) {
  const char* prefix = Setting("KINDRED_FAULT_PREFIX");
  if (*prefix == '\0' || strncmp(path, prefix, strlen(prefix)) != 0) return 0;
  Log(call, path);
  const char* action = Setting("KINDRED_FAULT_ACTION");
  const int now = atomic_fetch_add(&n_calls, 1) + 1 == atol(Setting("KINDRED_FAULT_AT"));
  if (strcmp(action, "erofs") == 0) return EROFS;
  if (strcmp(action, "enospc") == 0) {
    if (now) atomic_store(&disk_full, 1);
    return now || (atomic_load(&disk_full) && (kind & kTakesSpace)) ? ENOSPC : 0;
  }
  if (!now) return 0;
  if (strcmp(action, "kill") == 0) syscall(SYS_kill, getpid(), SIGKILL);
  if (strcmp(action, "eio") == 0) return EIO;
  if (strcmp(action, "eintr") == 0) return kind & kInterruptible ? EINTR : 0;
  return -1;
}

static int PathFault(const char* call, int folder, const char* path, int kind) {
  char absolute[kPathBytes];
  Resolve(folder, path, absolute);
  return Fault(call, absolute, kind);
}

static int FileFault(const char* call, int file, int kind) {
  char absolute[kPathBytes];
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, absolute, sizeof absolute - 1);
  if (length < 0) return 0;
  absolute[length] = '\0';
  return Fault(call, absolute, kind);
}

#define FAIL_IF(fault)     \
  do {                     \
    const int why = fault; \
    if (why > 0) {         \
      errno = why;         \
      return -1;           \
    }                      \
  } while (0)

ssize_t write(int file, const void* data, size_t bytes) {
  const int fault = FileFault("write", file, kTakesSpace | kInterruptible);
  FAIL_IF(fault);
  return syscall(SYS_write, file, data, fault < 0 ? (bytes + 1) / 2 : bytes);
}

ssize_t pwrite(int file, const void* data, size_t bytes, off_t offset) {
  const int fault = FileFault("pwrite", file, kTakesSpace | kInterruptible);
  FAIL_IF(fault);
  return syscall(SYS_pwrite64, file, data, fault < 0 ? (bytes + 1) / 2 : bytes, offset);
}
ssize_t pwrite64(int file, const void* data, size_t bytes, off_t offset) {
  return pwrite(file, data, bytes, offset);
}

ssize_t writev(int file, const struct iovec* pieces, int n_pieces) {
  FAIL_IF(FileFault("writev", file, kTakesSpace | kInterruptible));
  return syscall(SYS_writev, file, pieces, n_pieces);
}

int fsync(int file) {
  FAIL_IF(FileFault("fsync", file, kInterruptible));
  return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
  FAIL_IF(FileFault("fdatasync", file, kInterruptible));
  return (int)syscall(SYS_fdatasync, file);
}

int ftruncate(int file, off_t bytes) {
  FAIL_IF(FileFault("ftruncate", file, kTakesSpace));
  return (int)syscall(SYS_ftruncate, file, bytes);
}
int ftruncate64(int file, off_t bytes) {
  return ftruncate(file, bytes);
}

int openat(int folder, const char* path, int flags, ...) {
  mode_t mode = 0;
  if (flags & (O_CREAT | O_TMPFILE)) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  const int writes = (flags & O_ACCMODE) != O_RDONLY && strcmp(Setting("KINDRED_FAULT_ACTION"), "erofs") == 0;
  if (flags & O_CREAT || writes) FAIL_IF(PathFault("creat", folder, path, kTakesSpace));
  return (int)syscall(SYS_openat, folder, path, flags, mode);
}

#define FORWARD_OPEN(name, first, folder, flags)   \
  int name {                                       \
    va_list arguments;                             \
    va_start(arguments, flags);                    \
    const mode_t mode = va_arg(arguments, mode_t); \
    va_end(arguments);                             \
    return openat(folder, path, flags, mode);      \
  }
FORWARD_OPEN(open(const char* path, int flags, ...), path, AT_FDCWD, flags)
FORWARD_OPEN(open64(const char* path, int flags, ...), path, AT_FDCWD, flags)
FORWARD_OPEN(openat64(int folder, const char* path, int flags, ...), folder, folder, flags)
int creat(const char* path, mode_t mode) {
  return openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int mkdirat(int folder, const char* path, mode_t mode) {
  FAIL_IF(PathFault("mkdir", folder, path, kTakesSpace));
  return (int)syscall(SYS_mkdirat, folder, path, mode);
}
int mkdir(const char* path, mode_t mode) {
  return mkdirat(AT_FDCWD, path, mode);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned int flags) {
  FAIL_IF(PathFault("rename", to_folder, to, 0));
  return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) {
  return renameat2(from_folder, from, to_folder, to, 0);
}
int rename(const char* from, const char* to) {
  return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int folder, const char* path, int flags) {
  FAIL_IF(PathFault("unlink", folder, path, 0));
  return (int)syscall(SYS_unlinkat, folder, path, flags);
}
int unlink(const char* path) {
  return unlinkat(AT_FDCWD, path, 0);
}
int rmdir(const char* path) {
  return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}
