import { KeelsonError } from "../errors.ts";
import type { HostFacts } from "./facts.ts";
import { type Changed, hostAfter, membersAfter, membersOf, providersOf } from "./members.ts";
import { type OrderProblem, orderProblems } from "./order.ts";

/**
 * Throws E_REQUIRES, E_NEEDED, E_PHASE or E_CYCLE when services of this host would not find what they require, or could not be
 * brought into an order, once containers are what `changed` says. What was so before is no reason.
 */
export function refuseDisorder(changed: Changed, facts: HostFacts): void {
  const problems = orderProblems(membersAfter(facts.installed, changed), hostAfter(changed, facts));
  if (problems.length === 0) return;
  const before = new Set(orderProblems(membersOf(facts.installed), facts).map(keyOf));
  const problem = problems.find((each) => !before.has(keyOf(each)));
  if (problem === undefined) return;
  if (problem.kind === "cycle") {
    throw new KeelsonError("E_CYCLE", `no order of start is possible: ${problem.units.join(" -> ")}`, {
      hint: "Each of these has to start after the next; --force goes past this, and systemd then leaves one of them out.",
    });
  }
  if (problem.kind === "phase") {
    const { name: early, phase } = problem.member;
    throw new KeelsonError(
      "E_PHASE",
      `${early} is of the phase ${phase}, but waits for the network: ${problem.units.join(" -> ")}`,
      {
        hint: "Each of these leads to the next; take a later --phase. --force goes past this.",
      },
    );
  }
  const { member, wanted } = problem;
  if (changed.has(member.name)) {
    throw new KeelsonError("E_REQUIRES", `${member.name} requires ${wanted}, which nothing on this host provides`, {
      hint: "Install what provides it first; --force goes past this.",
    });
  }
  const lacking = problems.flatMap((each) => (each.kind === "missing" ? [each.member.name] : []));
  const others = [...new Set(lacking)].filter((other) => !changed.has(other));
  throw new KeelsonError(
    "E_NEEDED",
    `${formerProviders(wanted, changed, facts).join(", ")} is needed by ${others.join(", ")}`,
    {
      hint: `${member.name} requires ${wanted}; remove it first, or go past this with --force.`,
    },
  );
}

/** Those of `changed` that were what is wanted. */
function formerProviders(wanted: string, changed: Changed, facts: HostFacts): readonly string[] {
  const names = [...changed.keys()];
  const units = [wanted, ...providersOf(wanted, membersOf(facts.installed), facts)];
  const provided = names.filter((name) => units.includes(`${name}.service`));
  return provided.length === 0 ? names : provided;
}

function keyOf(problem: OrderProblem): string {
  if (problem.kind === "missing") return JSON.stringify([problem.member.name, problem.wanted]);
  if (problem.kind === "phase") return JSON.stringify([problem.member.name, ...problem.units]);
  return JSON.stringify([...new Set(problem.units)].sort());
}
