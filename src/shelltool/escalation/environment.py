"""The environment of a command that leaves the sandbox, as `sudo` would make it.

The sandboxed side chose the variables, so those that make some program load code, start a program, or trust a place
are taken from the server's own environment, or dropped where it has none. The rest goes along byte by byte. A table
can't be complete for programs that nobody has heard of: what an allowed program does with its arguments and files
is the rule author's business (`docs/security.md`).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from shelltool.escalation.exec_message import ExecMessage
from shelltool.escalation.program import Reach
from shelltool.escalation.spawning import Variables

GUARDED: dict[str, tuple[str, ...]] = {
    "dynamic loader and C library": (
        "LD_*", "LDR_*", "DYLD_*", "_RLD*", "LIBPATH", "SHLIB_PATH", "GLIBC_TUNABLES", "MALLOC_*", "Malloc*", "GCONV_PATH",
        "GETCONF_DIR", "LOCPATH", "PATH_LOCALE", "NLSPATH", "TZDIR", "HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS", "RESOLV_*",
        "NIS_PATH", "MUSL_*", "ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "MSAN_OPTIONS",
    ),
    "shells": (
        "BASH_ENV", "ENV", "BASH_FUNC_*", "BASHOPTS", "SHELLOPTS", "BASH_XTRACEFD", "PS0", "PS1", "PS2", "PS4",
        "PROMPT_COMMAND", "IFS", "CDPATH", "GLOBIGNORE", "ZDOTDIR", "FPATH", "INPUTRC", "HISTFILE", "KSH_*", "NULLCMD",
        "READNULLCMD", "TMPPREFIX",
    ),
    "interpreters and runtimes": (
        "PYTHON*", "PYTEST_*", "PYENV_*", "PIP_*", "UV_*", "VIRTUAL_ENV", "CONDA_*", "PERL5*", "PERLLIB", "PERLDB*", "PERL_*",
        "PERLIO*", "RUBY*", "RBENV_*", "GEM_*", "BUNDLE_*", "ASDF_*", "MISE_*", "NODE_*", "npm_config_*", "npm_execpath",
        "yarn_*", "DENO_*", "BUN_*", "JAVA_*", "_JAVA_OPTIONS", "JDK_*", "JVM_*", "CLASSPATH", "MAVEN_*", "GRADLE_*", "LUA*",
        "TCL*", "TK_LIBRARY", "PHPRC", "PHP_*", "R_*", "GUILE_*", "ERL_*", "ELIXIR_*", "JULIA_*", "DOTNET_*", "CORECLR_*",
        "COMPlus_*", "MONO_*", "OCAML*", "GHC*", "AWKPATH", "AWKLIBPATH", "M4PATH", "M4", "VALGRIND_*", "PERF_*",
    ),
    "compilers and build tools": (
        "CC", "CXX", "CPP", "LD", "AR", "AS", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "CPATH", "C_INCLUDE_PATH",
        "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_*", "MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "MAKEFILES",
        "CMAKE_*", "NINJA_*", "PKG_CONFIG*", "GO*", "CGO_*", "CARGO*", "RUSTC*", "RUSTFLAGS", "RUSTDOC*", "RUSTUP_*",
        "CCACHE_*", "DISTCC_*", "RPM_*", "DPKG_*", "DEB_*", "APT_*", "DEVELOPER_DIR", "SDKROOT", "TOOLCHAINS", "XCODE*",
        "HOMEBREW_*", "NIX_*", "PACKER_*",
    ),
    "programs that others start": (
        "*EDITOR", "VISUAL", "FCEDIT", "PAGER", "*_PAGER", "*_COMMAND", "*_ASKPASS", "MANPAGER", "MANLESS", "MANOPT",
        "MANROFF*", "MANPATH", "GROFF_*", "BROWSER", "LESS*", "MORE", "SUDO_*", "DOAS_*", "SVN_*", "HG*", "CVS*", "P4*",
        "RSYNC_*", "BORG_*", "RCLONE_*", "RESTIC_*", "TAPE", "TAR_OPTIONS", "GZIP", "XZ_*", "ZIP", "ZIPOPT", "UNZIP*", "FZF_*",
        "TEXINPUTS*", "CLUAINPUTS", "TEXMF*", "TEXEDIT", "shell_escape*", "openin_any*", "openout_any*", "GS_*", "VIM*",
        "GVIMINIT", "EXINIT", "NEXINIT", "NVIM*", "EMACS*", "SCREEN*", "TMUX*",
    ),
    "git, all but who and when": ("GIT_*", "SSH_*", "GCM_*"),
    "where settings, keys and temporary files are": (
        "HOME", "CFFIXED_USER_HOME", "SHELL", "USER", "LOGNAME", "MAIL", "MAILRC", "XDG_*", "CODEX_HOME", "TMPDIR", "TMP",
        "TEMP", "TEMPDIR", "TERMINFO*", "TERMCAP", "TERMPATH", "CURL_HOME", "CURLOPT_*", "*WGETRC", "NETRC",
        "RIPGREP_CONFIG_PATH", "GNUPGHOME", "GPG_*", "PGP*", "KRB5*", "KRB*", "DOCKER_*", "COMPOSE_*", "BUILDKIT_*",
        "CONTAINER*", "KUBE*", "HELM_*", "AWS_*", "BOTO*", "AZURE_*", "PASSWORD_STORE_*", "CLOUDSDK_*", "GOOGLE_*", "VAULT_*",
        "ANSIBLE_*", "TF_*", "TERRAFORM_*", "GH_*", "GITHUB_*", "GITLAB_*", "PG*", "PSQL*", "MYSQL_*", "LIBMYSQL_*",
        "MARIADB_*", "ODBC*", "SYSTEMD_*", "DBUS_*", "LISTEN_*", "NOTIFY_SOCKET", "MANAGERPID", "MEMORY_PRESSURE_*",
    ),
    "whom to trust and talk to": (
        "OPENSSL_*", "SSL_*", "SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GNUTLS_*", "P11_KIT_*", "NSS_*",
        "*_proxy", "AUTHSTATE", "VAR_ACE", "USR_ACE", "DLC_ACE",
    ),
    "displays and plug-ins": (
        "DISPLAY", "XAUTHORITY", "WAYLAND_*", "GTK*", "QT_*", "QML*", "GIO_*", "GDK_*", "GST_*", "GSETTINGS_*", "LIBGL_*",
        "MESA_*", "VK_*", "EGL_*", "ALSA_*", "PULSE_*", "SDL_*", "FONTCONFIG_*", "MAGICK_*", "OCL_*", "CUDA_*", "GVBINDIR",
    ),
}  # fmt: skip
"""Reset from the server's environment, or dropped. A star at one end stands for anything.

Case counts, for `env`, `user` and `docker_tag` are names of people's own. It doesn't for a pattern in small letters: most of
what reads those reads them in any case.
"""

EXEMPT = (
    "GIT_AUTHOR_*", "GIT_COMMITTER_*", "GIT_TERMINAL_PROMPT", "GIT_OPTIONAL_LOCKS", "GIT_LITERAL_PATHSPECS",
    "GIT_MERGE_AUTOEDIT", "GIT_REFLOG_ACTION", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "PGTZ",
    "GOOS", "GOARCH", "GOARM*", "GOAMD64", "GO386", "GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GOTRACEBACK", "CGO_ENABLED",
)  # fmt: skip
"""Matched above, yet carried."""

DROPPED = ("EXEC_WRAPPER", "BASH_EXEC_WRAPPER", "CODEX_ESCALATE_SOCKET", "CODEX_SANDBOX*")
"""About the sandbox that the command leaves."""

PLAIN_VALUES = ("LANG", "LANGUAGE", "LC_*", "TERM", "TZ", "COLORTERM", "LINGUAS")
"""Carried unless the value holds a `/` or `%`: a path to data that some C libraries would load, or a format."""

FALLBACK_PATH = "/usr/bin:/bin"

LONGEST_PATH = 16 << 10
"""In characters. Each folder of a PATH is looked at, and in so many there is room for all that anybody has."""

Treatment = Literal["carry", "guard", "plain", "drop"]

REMEMBERED_VARIABLES = 1024
REMEMBERED_CHARS = 4096
LONGEST_NAME = 256
"""Of a variable that is remembered from one call to the next."""


class EnvironmentReset:
    """Makes the environments of one call's escalated commands."""

    def __init__(self, own: Mapping[str, str], reach: Reach) -> None:
        self._own = own
        self._reach = reach
        self._known: dict[tuple[str, str], str | None] = {}
        self._last: tuple[object, Variables] = (None, Variables({}))

    def of(self, message: ExecMessage) -> Variables:
        """Give what a command gets; most often it was asked for in the same environment as the last one."""
        given = (bytes(message.env), message.env_bytes)
        if given != self._last[0]:
            self._last = (given, Variables(self.apply(message.environment())))
        return self._last[1]

    def apply(self, caller: Mapping[str, str]) -> dict[str, str]:
        """Give the caller's variables without those that the sandboxed side must not choose."""
        known = self._known
        result = {}
        for variable in caller.items():
            carried = known[variable] if variable in known else self._carried(variable)
            if carried is not None:
                result[variable[0]] = carried
        return result

    def _carried(self, variable: tuple[str, str]) -> str | None:
        """Decide about a variable, and remember: from one command to the next, hardly any changes."""
        name, value = variable
        carried = self._safe_path(value) if name == "PATH" else self._value(name, value)
        if len(name) + len(value) <= REMEMBERED_CHARS:
            if len(self._known) == REMEMBERED_VARIABLES:
                self._known.clear()
            self._known[variable] = carried
        return carried

    def _value(self, name: str, value: str) -> str | None:
        match treatment(name):
            case "drop":
                return None
            case "guard":
                return self._own.get(name)
            case "plain" if "/" in value or "%" in value:
                return self._own.get(name)
        # A value like a function definition is one, for a shell old enough.
        return self._own.get(name) if value.startswith("()") else value

    def _safe_path(self, value: str) -> str:
        """Keep the folders that the sandboxed side could not put a program into; of a PATH that is too long, none."""
        given = value if len(value) <= LONGEST_PATH else ""
        for candidate in (given, self._own.get("PATH", "")):
            folders = [folder for folder in candidate.split(":") if self._is_safe(folder)]
            if folders:
                return ":".join(folders)
        return FALLBACK_PATH

    def _is_safe(self, folder: str) -> bool:
        return folder.startswith("/") and not self._reach.covers(folder)


def treatment(name: str) -> Treatment:
    """Look a variable up in the tables above."""
    return _remembered(name) if len(name) <= LONGEST_NAME else _look_up(name)


def _look_up(name: str) -> Treatment:
    if _DROPPED.fullmatch(name):
        return "drop"
    if _PLAIN.fullmatch(name):
        return "plain"
    return "guard" if _GUARDED.fullmatch(name) and not _EXEMPT.fullmatch(name) else "carry"


_remembered = lru_cache(maxsize=4096)(_look_up)


def _compile(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_expression, patterns)), re.DOTALL)


def _expression(pattern: str) -> str:
    expression = re.escape(pattern).replace(r"\*", ".*")
    return f"(?i:{expression})" if pattern.islower() else expression


_DROPPED, _PLAIN, _EXEMPT = _compile(DROPPED), _compile(PLAIN_VALUES), _compile(EXEMPT)
_GUARDED = _compile(tuple(pattern for patterns in GUARDED.values() for pattern in patterns))
