/** What a 401 asks for; parameters by lower-case name. */
export interface Challenge {
  readonly scheme: "basic" | "bearer" | "other";
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Reads a WWW-Authenticate header; of several challenges, Bearer is taken before Basic.
 * https://www.rfc-editor.org/rfc/rfc9110#field.www-authenticate
 */
export function parseChallenge(header: string): Challenge {
  const bearer = /(?:^|,)\s*bearer(?:\s+(.*))?$/is.exec(header);
  if (bearer) return { scheme: "bearer", parameters: parametersOf(bearer[1] ?? "") };
  const basic = /(?:^|,)\s*basic\b/i.test(header);
  return { scheme: basic ? "basic" : "other", parameters: new Map() };
}

function parametersOf(text: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const [, name = "", quoted, token] of text.matchAll(/([a-z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/gi)) {
    const key = name.toLowerCase();
    if (!parameters.has(key)) parameters.set(key, quoted?.replace(/\\(.)/g, "$1") ?? token ?? "");
  }
  return parameters;
}
