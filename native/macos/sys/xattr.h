/* sys/xattr.h - extended attributes, as macOS 10.4 and later have them, for zsh/attr; zig ships no such header. */

#ifndef SHELLBUILD_SYS_XATTR_H
#define SHELLBUILD_SYS_XATTR_H

#include <sys/types.h>
#include <stdint.h>

#define XATTR_NOFOLLOW 0x0001
#define XATTR_CREATE 0x0002
#define XATTR_REPLACE 0x0004

ssize_t getxattr(const char *path, const char *name, void *value, size_t size, uint32_t position, int options);
ssize_t listxattr(const char *path, char *names, size_t size, int options);
int setxattr(const char *path, const char *name, const void *value, size_t size, uint32_t position, int options);
int removexattr(const char *path, const char *name, int options);

#endif
