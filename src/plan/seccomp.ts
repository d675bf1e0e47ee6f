import { isObject, type JsonObject } from "../image/json.ts";
import type { Privilege } from "./privilege.ts";

/** Which system calls a filter lets through: all but some, or none but some. Without a filter, all. */
export interface Seccomp {
  readonly kind: "no filter" | "all but" | "none but";
  /**
   * What is let through, or not, by name: the conditions on its arguments, each enough by itself; "" for whatever they
   * are.
   */
  readonly calls: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Actions after which the call is made, or somebody else decides. */
const letsThrough = new Set(["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY"]);

/** The filter of a config.json. https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp */
export function seccompOf(config: JsonObject): Seccomp {
  const seccomp = isObject(config.linux) ? config.linux.seccomp : undefined;
  // Runtimes set no filter where no default is given.
  if (!isObject(seccomp) || typeof seccomp.defaultAction !== "string" || seccomp.defaultAction === "") {
    return { kind: "no filter", calls: new Map() };
  }
  const allows = letsThrough.has(seccomp.defaultAction);
  const rules = Array.isArray(seccomp.syscalls) ? seccomp.syscalls.filter(isObject) : [];
  const calls = new Map<string, Set<string>>();
  for (const { names, action, args } of rules) {
    if (letsThrough.has(String(action)) === allows || !Array.isArray(names)) continue;
    for (const name of names.map(String)) calls.set(name, (calls.get(name) ?? new Set()).add(conditionOf(args)));
  }
  return { kind: allows ? "all but" : "none but", calls };
}

/** What having this filter, or none, lets a container do. */
export function seccompPrivilege({ kind, calls }: Seccomp): readonly Privilege[] {
  switch (kind) {
    case "no filter":
      return [privilege("has no seccomp filter", "")];
    case "all but": {
      const refused = [...calls.keys()].sort().join(", ");
      return [privilege(refused === "" ? "may make every system call" : "may make every system call but", refused)];
    }
    case "none but":
      return [privilege("may make", `${calls.size} system calls`)];
  }
}

/**
 * The system calls that `to` lets through and `from` does not. Of conditions on arguments only the same text counts as the
 * same: what is not known to be within another counts as more.
 */
export function widenedSeccomp(from: Seccomp, to: Seccomp): readonly Privilege[] {
  if (from.kind !== "none but" && from.calls.size === 0) return [];
  if (to.kind === "no filter" || (to.kind === "all but" && from.kind === "none but")) return seccompPrivilege(to);
  const named = [...new Set([...from.calls.keys(), ...to.calls.keys()])].sort();
  return named.flatMap((call) => {
    const [before, after] = [passOf(from, call), passOf(to, call)];
    const some = after.kind === "if" || after.kind === "unless";
    return within(before, after)
      ? []
      : [privilege("may make the system call", some ? `${call} with some arguments` : call)];
  });
}

/** When a filter lets one call through. */
type Pass =
  | { readonly kind: "always" | "never" }
  | { readonly kind: "if" | "unless"; readonly conditions: ReadonlySet<string> };

function passOf({ kind, calls }: Seccomp, call: string): Pass {
  const conditions = calls.get(call);
  const refuses = kind === "none but";
  if (conditions === undefined) return { kind: refuses ? "never" : "always" };
  if (conditions.has("")) return { kind: refuses ? "always" : "never" };
  return { kind: refuses ? "if" : "unless", conditions };
}

function within(outer: Pass, inner: Pass): boolean {
  if (outer.kind === "always" || inner.kind === "never") return true;
  if (outer.kind === "if" && inner.kind === "if") return isAmong(inner.conditions, outer.conditions);
  return outer.kind === "unless" && inner.kind === "unless" && isAmong(outer.conditions, inner.conditions);
}

function isAmong(some: ReadonlySet<string>, all: ReadonlySet<string>): boolean {
  return [...some].every((one) => all.has(one));
}

/** The text of a rule's conditions, which all have to hold. */
function conditionOf(args: unknown): string {
  const list = Array.isArray(args) ? args.filter(isObject) : [];
  const texts = list.map(({ index, value, valueTwo, op }) => JSON.stringify([index, value, valueTwo ?? 0, op]));
  return texts.sort().join(" ");
}

function privilege(does: string, what: string): Privilege {
  return { kind: "seccomp", does, what };
}
