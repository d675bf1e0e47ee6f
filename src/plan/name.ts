import { KeelsonError, printable } from "../errors.ts";

/** A name that may stand in paths, unit names and command lines as it is. Throws E_NAME. */
export function checkName(name: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}(?:@[a-zA-Z0-9_.-]{1,63})?$/.test(name)) return name;
  throw new KeelsonError("E_NAME", `${printable(JSON.stringify(name))} cannot be the name of a container`, {
    hint: "A name is 1 to 63 letters, digits and _ . - and begins with a letter or digit, or that and @INSTANCE; choose one with --name.",
  });
}

/** What the runtime calls a container: it takes no @, which is a + there; no name has one. */
export function runtimeId(name: string): string {
  return name.replace("@", "+");
}

/** What stands behind the @ of a name; empty without one. */
export function instanceOf(name: string): string {
  return name.split("@")[1] ?? "";
}
