const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", s: " " };

/**
 * The words of a value as systemd splits it: at spaces that stand in no quotes; a backslash takes what follows as it is, but
 * for a few letters. https://www.freedesktop.org/software/systemd/man/252/systemd.syntax.html#Quoting
 */
export function readWords(value: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < value.length; at++) {
    const letter = value[at] ?? "";
    if (letter === "\\" && at + 1 < value.length) {
      const next = value[++at] ?? "";
      word = `${word ?? ""}${escapes[next] ?? next}`;
    } else if (quote !== "" ? letter === quote : letter === '"' || letter === "'") {
      quote = quote === "" ? letter : "";
      word ??= "";
    } else if (quote === "" && /\s/.test(letter)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = `${word ?? ""}${letter}`;
  }
  return word === undefined ? words : [...words, word];
}

/** https://man7.org/linux/man-pages/man7/capabilities.7.html */
const everyCapability =
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE".split(
    " ",
  );

/** Names of capabilities as the kernel has them, of one as engines take it: `net_admin`, `CAP_NET_ADMIN`, `all`. */
export function capabilityNames(word: string): readonly string[] {
  if (/^all$/i.test(word)) return everyCapability.map((name) => `CAP_${name}`);
  const name = word.toUpperCase();
  return [name.startsWith("CAP_") ? name : `CAP_${name}`];
}
