import type { Cause } from "./causes.ts";

/** Why a container that nobody has installed is not up. `image` is the one in the store that would get its name. */
export function absentCause(
  name: string,
  image: { readonly reference: string; readonly required: readonly string[] } | undefined,
): Cause {
  const install = (...words: readonly string[]): string => ["keelson install --system --start", ...words].join(" ");
  if (image === undefined) return cause("NOT_INSTALLED", name, "no such container is installed", "keelson list");
  const { reference, required } = image;
  if (required.length === 0) {
    const text = `no such container is installed; ${reference} is in the store`;
    return cause("NOT_INSTALLED", name, text, install(reference));
  }
  const set = required.map((variable) => `--set ${variable}=VALUE`);
  const text = `it is not installed, and its image ${reference} wants a value for ${required.join(", ")}`;
  return cause("VALUE_MISSING", name, text, install(...set, reference));
}

export function brokenCause(name: string, reason: string): Cause {
  return cause("BROKEN", name, `its deployment cannot be read: ${reason}`, `keelson verify ${name}`);
}

export function interruptedCause(name: string, verb: string): Cause {
  return cause("INTERRUPTED", name, `${verb} was interrupted`, "keelson recover");
}

/** What the files of a root tell on which no systemd runs. The states are systemd's. */
export function offlineCauses(name: string, unit: string, loadState: string, unitFileState: string): readonly Cause[] {
  const repair = `keelson verify --repair ${name}`;
  const still = cause("NO_SYSTEMD", unit, "no systemd runs on this root, so that nothing does", "systemctl status");
  if (loadState === "masked") return [still, cause("MASKED", unit, "its unit is masked", repair)];
  if (loadState !== "loaded") return [still, cause("UNIT_MISSING", unit, "there is no such unit", repair)];
  if (unitFileState !== "disabled") return [still];
  return [still, cause("DISABLED", unit, "nothing starts it at boot", `systemctl enable ${unit}`)];
}

function cause(code: Cause["code"], of: string, text: string, next: string): Cause {
  return { code, of, on: [], text, next };
}
