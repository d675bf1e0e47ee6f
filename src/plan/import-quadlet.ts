import { KeelsonError, printable } from "../errors.ts";
import { capabilityNames, readWords } from "./import-words.ts";
import { rlimits } from "./overrides.ts";
import { allValues, type Directive, lastValue, parseUnit } from "./unit-file.ts";

/** A `.container` file of podman in keelson's words. */
export interface ImportedQuadlet {
  readonly name: string;
  /** A stack file with one section. */
  readonly stack: string;
  /** What of the unit holds beside what keelson writes, for a drop-in; absent when that is nothing. */
  readonly dropIn?: string;
  /** What cannot be expressed, a line each. */
  readonly lost: readonly string[];
}

interface Part {
  /** Of the stack file's section. */
  readonly lines: readonly string[];
  readonly lost: readonly string[];
}

const none: Part = { lines: [], lost: [] };

/** How podman runs a container; keelson has ways of its own. */
const runKeys = new Set(
  "Type NotifyAccess KillMode Delegate PIDFile ExecStart ExecStop ExecStopPost SyslogIdentifier".split(" "),
);
const lists = new Set(["Environment", "Volume", "AddCapability", "DropCapability", "Exec", "Ulimit", "PodmanArgs"]);
const mountOption = /^(?:ro|rw|no(?:exec|dev|suid)|exec|dev|suid|r?(?:shared|slave|private|unbindable))$/;

/**
 * Reads a `.container` file, https://docs.podman.io/en/latest/markdown/podman-systemd.unit.5.html, for the container `name`.
 * `file` is how messages call it. Throws E_QUADLET for one that is not well formed, or names no image.
 */
export function importQuadlet(text: string, name: string, file: string): ImportedQuadlet {
  const lines = parse(text, file);
  const image = lastValue(lines, "Container", "Image");
  if (image === undefined) throw bad(file, "it has no Image= in [Container]");
  if (/\.(?:image|build)$/.test(image)) throw bad(file, `its image is ${image}, which is another file`);
  const last = (key: string): string | undefined => lastValue(lines, "Container", key);
  const parts = [
    environmentPart(lines),
    execPart(lines),
    ...allValues(lines, "Container", "Volume").map(volumePart),
    capabilityPart(lines),
    ...allValues(lines, "Container", "Ulimit").map(ulimitPart),
    sizePart("pids", "PidsLimit", last("PidsLimit")),
    sizePart("memory", "Memory", last("Memory")),
    { lines: [], lost: assumedLines(last) },
    { lines: [], lost: otherLines(lines) },
  ];
  const enabled = allValues(lines, "Install", "WantedBy").length + allValues(lines, "Install", "RequiredBy").length > 0;
  const section = [`[${name}]`, ...keyed("image", image), ...(enabled ? [] : ["enable = false"])];
  const dropIn = dropInOf(lines, file);
  return {
    name,
    stack: `${[`# From ${printable(file)}, by keelson import quadlet.`, ...section, ...parts.flatMap((part) => part.lines)].join("\n")}\n`,
    ...(dropIn === undefined ? {} : { dropIn }),
    lost: parts.flatMap(({ lost }) => lost),
  };
}

function parse(text: string, file: string): readonly Directive[] {
  try {
    return parseUnit(text, file);
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    throw bad(file, error.message.replace(`${file}, `, ""));
  }
}

function environmentPart(lines: readonly Directive[]): Part {
  const entries = allValues(lines, "Container", "Environment").flatMap(readWords);
  return joined(
    entries.map((entry) => {
      const [, key, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(entry) ?? [];
      if (key === undefined || value === undefined || !plain(value)) return lost(`Environment=${entry}`);
      return { lines: keyed(`environment.${key}`, value), lost: [] };
    }),
  );
}

/** podman puts it in place of the image's command, keelson behind all that the image runs. */
function execPart(lines: readonly Directive[]): Part {
  const value = lastValue(lines, "Container", "Exec");
  if (value === undefined) return none;
  const words = readWords(value);
  if (!words.every(plain)) return lost(`Exec=${value}`);
  return {
    lines: words.flatMap((word) => keyed("process.args[]", word)),
    lost: ["Exec= in place of the image's own Cmd, if it has one: the words stand behind it"],
  };
}

function volumePart(value: string): Part {
  const [source = "", destination = "", options = "", ...rest] = value.split(":");
  const given = options.split(",").filter(Boolean);
  const paths = [source, destination].every(
    (path) => path.startsWith("/") && !/[=[\]"';#]|(?:^|\/)\.\.?(?:\/|$)/.test(path),
  );
  if (!paths || rest.length > 0 || !plain(value)) return lost(`Volume=${value}`);
  const kept = given.filter((option) => mountOption.test(option));
  return {
    lines: keyed(`mounts.${destination}`, [source, ...(kept.length === 0 ? [] : [kept.join(",")])].join(":")),
    lost: given
      .filter((option) => !kept.includes(option) && option !== "rbind")
      .map((option) => `Volume=${value}: the option ${option}`),
  };
}

/** podman drops before it adds. */
function capabilityPart(lines: readonly Directive[]): Part {
  const namesOf = (key: string): readonly string[] => allValues(lines, "Container", key).flatMap(readWords);
  const all = (key: string): readonly string[] => [...new Set(namesOf(key).flatMap(capabilityNames))];
  const [drop, add] = [all("DropCapability"), all("AddCapability")];
  const odd = [...drop, ...add].filter((name) => !/^CAP_[A-Z_]+$/.test(name));
  const line = (key: string, names: readonly string[]): readonly string[] => {
    const known = names.filter((name) => !odd.includes(name));
    return known.length === 0 ? [] : keyed(`capabilities.${key}`, known.join(" "));
  };
  return { lines: [...line("drop", drop), ...line("add", add)], lost: odd.map((name) => `the capability ${name}`) };
}

function ulimitPart(value: string): Part {
  const [, name, limit] = /^([a-z]+)=([0-9]+(?::[0-9]+)?)$/.exec(value) ?? [];
  const [soft = 0, hard = soft] = (limit ?? "").split(":").map(Number);
  if (name === undefined || limit === undefined || !rlimits.includes(name) || soft > hard)
    return lost(`Ulimit=${value}`);
  return { lines: keyed(`limits.${name}`, limit), lost: [] };
}

function sizePart(limit: string, key: string, value: string | undefined): Part {
  if (value === undefined || value === "-1" || value === "0") return none;
  const [, digits, unit = ""] = /^([0-9]{1,12})([bkmg]?)b?$/i.exec(value) ?? [];
  if (digits === undefined) return lost(`${key}=${value}`);
  return { lines: keyed(`limits.${limit}`, `${digits}${unit.toUpperCase().replace("B", "")}`), lost: [] };
}

/** What podman does where nothing is said, and keelson does not. */
function assumedLines(last: (key: string) => string | undefined): readonly string[] {
  const network = last("Network");
  const readOnly = /^(?:true|yes|on|1)$/i.test(last("ReadOnly") ?? "");
  return [
    ...(network === "host"
      ? []
      : [
          `${network === undefined ? "podman's own network" : `Network=${network}`}: the image says, and one without /exports shares that of the host`,
        ]),
    ...(readOnly ? [] : ["a root that can be written to: it is read-only, but for volumes"]),
  ];
}

function otherLines(lines: readonly Directive[]): readonly string[] {
  const taken = new Set([...lists, "Image", "PidsLimit", "Memory", "Network", "ReadOnly"]);
  const container = lines.filter(
    ({ section, key }) => section === "Container" && (key === "PodmanArgs" || !taken.has(key)),
  );
  const others = lines.filter(({ section }) => !["Unit", "Service", "Install", "Container"].includes(section));
  const targets = new Set(["multi-user.target", "default.target"]);
  const install = lines.filter(
    ({ section, key, value }) =>
      section === "Install" &&
      !(key === "WantedBy" && value.split(/\s+/).every((target) => target === "" || targets.has(target))),
  );
  const run = lines.filter(({ section, key }) => section === "Service" && runKeys.has(key));
  return [...container, ...run, ...install, ...others].map(
    ({ section, key, value }) => `${section === "Container" ? "" : `[${section}] `}${key}=${value}`,
  );
}

/** [Unit] and [Service] are systemd's, and stay as they are. */
function dropInOf(lines: readonly Directive[], file: string): string | undefined {
  const kept = (section: string): readonly string[] =>
    lines
      .filter((line) => line.section === section && !(section === "Service" && runKeys.has(line.key)))
      .map(({ key, value }) => `${key}=${value}`);
  const sections = ["Unit", "Service"].map((section) => [`[${section}]`, ...kept(section)]);
  const said = sections.filter(({ length }) => length > 1);
  if (said.length === 0) return undefined;
  return `${[`# From ${printable(file)}, by keelson import quadlet.`, ...said.map((each) => each.join("\n"))].join("\n")}\n`;
}

/** A line of an ini file; in quotes it is a string of JSON. */
function keyed(key: string, value: string): readonly string[] {
  return [
    `${key} = ${/^[A-Za-z0-9_./:@,+ -]+$/.test(value) && value.trim() === value ? value : JSON.stringify(value)}`,
  ];
}

/** What a file of overrides can hold, without specifiers that only systemd knows. */
function plain(value: string): boolean {
  return !/[\u0000-\u001f\u007f]/.test(value) && !value.replaceAll("%%", "").includes("%");
}

function lost(what: string): Part {
  return { lines: [], lost: [what] };
}

function joined(parts: readonly Part[]): Part {
  return { lines: parts.flatMap((part) => part.lines), lost: parts.flatMap((part) => part.lost) };
}

function bad(file: string, why: string): KeelsonError {
  return new KeelsonError("E_QUADLET", `${printable(file)}: ${printable(why)}`, {
    hint: "A .container file of podman is wanted; podman-systemd.unit(5) has its form.",
  });
}
