/* Shows a process a wall clock that somebody else sets: put in front of the C library by LD_PRELOAD.
 *
 * CHAOS_CLOCK names a file with one number (8 bytes): how many seconds the clock is ahead. Nothing else changes: what is
 * monotonic stays as it is. The kernel knows nothing of this clock, so waits until a time by it are put into its own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* No machine runs for that long: a later time is one of the wall clock. */
#define EPOCH 1000000000

static const volatile int64_t none = 0;
static const volatile int64_t *ahead = &none;

__attribute__((constructor)) static void find(void) {
    const char *path = getenv("CHAOS_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (found != MAP_FAILED) ahead = found;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *ahead;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec told;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &told);
    now->tv_sec = told.tv_sec;
    now->tv_usec = told.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec told;
    clock_gettime(CLOCK_REALTIME_COARSE, &told);
    if (now) *now = told.tv_sec;
    return told.tv_sec;
}

static struct timespec by_the_kernel(const struct timespec *until) {
    struct timespec real = *until;
    real.tv_sec -= *ahead;
    return real;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    if (until->tv_sec < EPOCH) return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, until);
    struct timespec real = by_the_kernel(until);
    return pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, &real);
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
    struct timespec real = by_the_kernel(until);
    return sem_clockwait(semaphore, CLOCK_REALTIME, &real);
}
