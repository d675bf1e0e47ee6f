import { KeelsonError, printable } from "../errors.ts";
import { isObject, type JsonObject } from "../image/json.ts";
import { pathOf } from "./mount-privileges.ts";

/** One file of an administrator, as it was read: sections of keys. */
export interface OverrideFile {
  /** As the host names it. */
  readonly path: string;
  readonly sections: Readonly<Record<string, unknown>>;
}

/** One thing that is to be changed in a config.json. */
export interface Override {
  /** For people: file, section and what stands there. */
  readonly line: string;
  readonly apply: (config: JsonObject) => void;
}

/** README has the grammar. */
export const overrideSections = ["environment", "process", "mounts", "capabilities", "limits"] as const;

interface Setting {
  readonly path: string;
  readonly section: (typeof overrideSections)[number];
  readonly key: string;
  /** Several where the key is written with `[]`. */
  readonly values: readonly string[];
}

/** setrlimit(2) */
export const rlimits: readonly string[] =
  "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" ");

/** What the files change, in the order of the files and their lines. Throws E_SETTINGS naming file, section and key. */
export function parseOverrides(files: readonly OverrideFile[]): readonly Override[] {
  return files.flatMap(settingsOf).map((setting) => {
    const { path, section, key, values } = setting;
    return { line: `${path}: ${section} ${key}=${values.map(quoted).join(" ")}`, apply: applierOf(setting) };
  });
}

/** `config` with the overrides applied; the object given is changed. */
export function applyOverrides(config: JsonObject, overrides: readonly Override[]): void {
  for (const { apply } of overrides) apply(config);
}

/** Two values never read as one, nor one as two: an edit shows. */
function quoted(value: string): string {
  return /^[^\s"]+$/.test(value) ? value : JSON.stringify(value);
}

function settingsOf({ path, sections }: OverrideFile): readonly Setting[] {
  const known = `there are ${overrideSections.join(", ")}`;
  return Object.entries(sections).flatMap(([name, keys]) => {
    if (!isObject(keys)) throw bad({ path, section: "", key: name }, `stands outside a section; ${known}`);
    const section = overrideSections.find((each) => each === name);
    if (section === undefined) throw bad({ path, section: "", key: name }, `is no section; ${known}`);
    return Object.entries(keys).map(([key, value]: [string, unknown]) => {
      if (isObject(value)) throw bad({ path, section: `${section}.${key}`, key: "" }, "is not a section");
      return { path, section, key, values: (Array.isArray(value) ? value : [value]).map(String) };
    });
  });
}

function applierOf(setting: Setting): Override["apply"] {
  if (setting.values.some((value) => /[\u0000-\u001f\u007f]/.test(value))) {
    throw bad(setting, "holds a control character");
  }
  switch (setting.section) {
    case "environment":
      return environmentOverride(setting);
    case "process":
      return argsOverride(setting);
    case "mounts":
      return mountOverride(setting);
    case "capabilities":
      return capabilityOverride(setting);
    case "limits":
      return limitOverride(setting);
  }
}

function environmentOverride(setting: Setting): Override["apply"] {
  const { key } = setting;
  const value = single(setting);
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) throw bad(setting, "is not the name of a variable");
  return (config) => {
    const process = child(config, "process");
    const others = list(process.env).filter((word) => String(word).split("=")[0] !== key);
    process.env = [...others, `${key}=${value}`];
  };
}

function argsOverride(setting: Setting): Override["apply"] {
  if (setting.key !== "args") throw bad(setting, "is not known; there is args");
  return (config) => {
    const process = child(config, "process");
    process.args = [...list(process.args), ...setting.values];
  };
}

/** `DESTINATION = SOURCE[:OPTION,...]` */
function mountOverride(setting: Setting): Override["apply"] {
  const [source = "", options = "rw", ...rest] = single(setting).split(":");
  const plain = [setting.key, source].every(
    (path) => path.startsWith("/") && !path.split("/").some((part) => part === ".." || part === "."),
  );
  const destination = pathOf(setting.key);
  if (!plain || destination === "/" || rest.length > 0) {
    throw bad(setting, "is not of the form /DESTINATION = /SOURCE[:OPTION,...]");
  }
  const mount = {
    ...{ destination, type: "bind", source: pathOf(source) },
    options: ["rbind", ...options.split(",").filter(Boolean)],
  };
  return (config) => {
    const others = list(config.mounts).filter((other) => !isObject(other) || pathOf(other.destination) !== destination);
    config.mounts = [...others, mount];
  };
}

function capabilityOverride(setting: Setting): Override["apply"] {
  const names = setting.values.flatMap((value) => value.split(/[\s,]+/)).filter(Boolean);
  const wrong = names.find((name) => !/^CAP_[A-Z_]+$/.test(name));
  if (wrong !== undefined) throw bad(setting, `${printable(wrong)} is not the name of a capability`);
  if (setting.key !== "add" && setting.key !== "drop") throw bad(setting, "is not known; there are add and drop");
  const added = setting.key === "add" ? names : [];
  return (config) => {
    const process = child(config, "process");
    if (!isObject(process.capabilities) && added.length === 0) return;
    const sets = child(process, "capabilities");
    const kept = (set: unknown): readonly unknown[] => list(set).filter((name) => !names.includes(String(name)));
    for (const set of Object.keys(sets)) sets[set] = kept(sets[set]);
    if (added.length === 0) return;
    // A user other than root has a capability of its own accord only when it is inherited and ambient.
    const root = !isObject(process.user) || Number(process.user.uid ?? 0) === 0;
    for (const set of ["bounding", "effective", "permitted", ...(root ? [] : ["inheritable", "ambient"])]) {
      sets[set] = [...list(sets[set]), ...added];
    }
  };
}

function limitOverride(setting: Setting): Override["apply"] {
  const { key } = setting;
  const value = single(setting);
  if (key === "memory" || key === "pids") {
    const limit = amount(setting, value);
    return (config) => {
      child(child(child(config, "linux"), "resources"), key).limit = limit;
    };
  }
  if (!rlimits.includes(key)) throw bad(setting, `is not known; there are memory, pids, ${rlimits.join(", ")}`);
  const [soft = 0, hard = soft, ...rest] = value.split(":").map((part) => amount(setting, part));
  if (rest.length > 0 || soft > hard) throw bad(setting, "is not of the form SOFT[:HARD]");
  const type = `RLIMIT_${key.toUpperCase()}`;
  return (config) => {
    const process = child(config, "process");
    const others = list(process.rlimits).filter((limit) => !isObject(limit) || limit.type !== type);
    process.rlimits = [...others, { type, hard, soft }];
  };
}

/** A whole number, with K, M or G for powers of 1024. */
function amount(setting: Setting, text: string): number {
  const [, digits, unit = ""] = /^([0-9]{1,12})([KMG]?)$/.exec(text) ?? [];
  const number = Number(digits) * 1024 ** " KMG".indexOf(unit || " ");
  if (Number.isSafeInteger(number)) return number;
  throw bad(setting, `${printable(text)} is not a whole number, with K, M or G behind it, or too large`);
}

function single(setting: Setting): string {
  const [value = "", ...more] = setting.values;
  if (more.length > 0) throw bad(setting, "is given more than once");
  return value;
}

/** The object at `key`, made where there is none. */
function child(object: JsonObject, key: string): JsonObject {
  if (!isObject(object[key])) object[key] = {};
  return object[key];
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function bad(
  { path, section, key }: { readonly path: string; readonly section: string; readonly key: string },
  why: string,
): KeelsonError {
  return new KeelsonError("E_SETTINGS", `${path}: ${printable([section, key].filter(Boolean).join(" "))} ${why}`, {
    hint: "The README has the grammar of override files; mend the line or move the file away.",
  });
}
