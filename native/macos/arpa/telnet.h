/* arpa/telnet.h - the codes of RFC 854 that zsh/zftp uses; zig ships no such header. */

#ifndef SHELLBUILD_ARPA_TELNET_H
#define SHELLBUILD_ARPA_TELNET_H

#define IAC 255     /* interpret as command */
#define DONT 254
#define DO 253
#define WONT 252
#define WILL 251
#define IP 244      /* interrupt process */
#define DM 242      /* data mark */
#define SYNCH DM

#endif
