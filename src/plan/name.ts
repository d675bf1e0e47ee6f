import { KeelsonError, printable } from "../errors.ts";

/** A name that may stand in paths, unit names and command lines as it is. Throws E_NAME. */
export function checkName(name: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/.test(name)) return name;
  throw new KeelsonError("E_NAME", `${printable(JSON.stringify(name))} cannot be the name of a container`, {
    hint: "A name is 1 to 63 letters, digits and _ . - and begins with a letter or digit; choose one with --name.",
  });
}
