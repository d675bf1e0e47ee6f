# Sourced. What the machine tells stands on lines of a name, a text in base64, and a point, without which the line is cut off.

# tell NAME TEXT
tell() {
  printf '%s %s .\n' "$1" "$(printf %s "$2" | base64 -w0)"
}

# ask NAME COMMAND...: tells its exit status and all it printed.
ask() {
  name=$1
  shift
  output=$("$@" 2>&1)
  tell "$name" "$? $output"
}
