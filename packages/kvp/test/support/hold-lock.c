/* Takes the record lock that hv_kvp_daemon takes, says so, and holds it until standard input ends. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char byte;
  int fd = open(argv[argc - 1], O_RDWR);
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

  if (fd < 0 || fcntl(fd, F_SETLKW, &whole) != 0) {
    perror("lock");
    return 1;
  }
  puts("locked");
  fflush(stdout);
  while (read(0, &byte, 1) > 0)
    ;
  return 0;
}
