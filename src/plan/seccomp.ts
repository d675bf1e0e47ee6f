import { isObject, type JsonObject } from "../image/json.ts";
import type { Privilege } from "./privilege.ts";

/** Which system calls a filter lets through: all but some, or none but some. Without a filter, all. */
export interface Seccomp {
  readonly kind: "no filter" | "all but" | "none but";
  readonly calls: ReadonlySet<string>;
}

/** Actions after which the call is made, or somebody else decides. */
const letsThrough = new Set(["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY"]);

/** The filter of a config.json. https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp */
export function seccompOf(config: JsonObject): Seccomp {
  const seccomp = isObject(config.linux) ? config.linux.seccomp : undefined;
  if (!isObject(seccomp)) return { kind: "no filter", calls: new Set() };
  const allows = letsThrough.has(String(seccomp.defaultAction));
  const rules = Array.isArray(seccomp.syscalls) ? seccomp.syscalls.filter(isObject) : [];
  // A rule for some arguments only lets the call through; one that refuses it for some does not take it away.
  const telling = rules.filter(({ action, args }) =>
    allows ? !letsThrough.has(String(action)) && !Array.isArray(args) : letsThrough.has(String(action)),
  );
  const calls = telling.flatMap(({ names }) => (Array.isArray(names) ? names.map(String) : []));
  return { kind: allows ? "all but" : "none but", calls: new Set(calls) };
}

/** What having this filter, or none, lets a container do. */
export function seccompPrivilege({ kind, calls }: Seccomp): readonly Privilege[] {
  switch (kind) {
    case "no filter":
      return [privilege("has no seccomp filter", "")];
    case "all but":
      return [privilege("may make every system call but", [...calls].sort().join(", "))];
    case "none but":
      return [privilege("may make", `${calls.size} system calls`)];
  }
}

/** The system calls that `to` lets through and `from` does not. */
export function widenedSeccomp(from: Seccomp, to: Seccomp): readonly Privilege[] {
  if (from.kind === "no filter") return [];
  if (to.kind === "no filter" || (to.kind === "all but" && from.kind === "none but")) return seccompPrivilege(to);
  const more =
    to.kind === "all but"
      ? [...from.calls].filter((call) => !to.calls.has(call))
      : [...to.calls].filter((call) => from.calls.has(call) !== (from.kind === "none but"));
  return more.sort().map((call) => privilege("may make the system call", call));
}

function privilege(does: string, what: string): Privilege {
  return { kind: "seccomp", does, what };
}
