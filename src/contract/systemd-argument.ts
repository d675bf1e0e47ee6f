/**
 * `text` as one argument of an Exec line, read back by systemd as exactly this text: quoted where needed, specifiers and
 * variables not expanded. Undefined for text with control characters (a tab is none), which has no safe form.
 * See https://www.freedesktop.org/software/systemd/man/252/systemd.service.html#Command%20lines
 */
export function formatSystemdArgument(text: string): string | undefined {
  if (/[\u0000-\u0008\u000a-\u001f\u007f\u2028\u2029]/.test(text)) return undefined;
  const escaped = text.replaceAll("%", "%%").replaceAll("$", "$$$$");
  if (/^[A-Za-z0-9_./:=@,+%$-]+$/.test(escaped)) return escaped;
  return `"${escaped.replace(/["\\]/g, "\\$&")}"`;
}
