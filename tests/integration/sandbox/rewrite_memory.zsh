# Replace a text in this shell's own memory by another of the same length, then run a command: OLD NEW COMMAND [ARGUMENT...]
# A script needs no other program for this; docs/security.md says what follows.
zmodload zsh/system
unsetopt multibyte
sysopen -rw -u 9 /proc/self/mem
while read -r range rights rest; do
  [[ $rights == rw* && $rest != *'[v'* ]] || continue
  at=$(( 16#${range%-*} )) end=$(( 16#${range#*-} ))
  sysseek -u 9 $at || continue
  while (( at < end )) && sysread -i 9 -s 4096 part; do
    skipped=0 left=$part
    while [[ $left == *$1* ]]; do
      before=${left%%$1*}
      (( skipped += $#before ))
      hits+=($(( at + skipped )))
      (( skipped += $#1 ))
      left=${part[skipped + 1, -1]}
    done
    (( at += $#part ))
  done
done < /proc/self/maps
for hit in $hits; do sysseek -u 9 $hit && syswrite -o 9 "$2"; done
shift 2
"$@"
