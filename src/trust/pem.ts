/** What stands in the blocks of a PEM text, whatever they are called. */
export function derOf(text: string): readonly Buffer[] {
  const blocks = text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----\s([A-Za-z0-9+/=\s]*?)-----END \1-----/g);
  return [...blocks].map(([, , body = ""]) => Buffer.from(body, "base64"));
}
