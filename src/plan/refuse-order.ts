import { KeelsonError } from "../errors.ts";
import type { Deployment } from "./deployment.ts";
import type { HostFacts } from "./facts.ts";
import { hostAfter, membersAfter, membersOf } from "./members.ts";
import { type OrderProblem, orderProblems } from "./order.ts";

/**
 * Throws E_REQUIRES, E_NEEDED or E_CYCLE when services of this host would not find what they require, or could not be brought
 * into an order, once `name` is what `to` says. What was so before is no reason.
 */
export function refuseDisorder(name: string, to: Deployment | undefined, facts: HostFacts): void {
  const problems = orderProblems(membersAfter(facts.installed, name, to), hostAfter(name, to, facts));
  if (problems.length === 0) return;
  const before = new Set(orderProblems(membersOf(facts.installed), facts).map(keyOf));
  const problem = problems.find((each) => !before.has(keyOf(each)));
  if (problem === undefined) return;
  if (problem.kind === "cycle") {
    throw new KeelsonError("E_CYCLE", `no order of start is possible: ${problem.units.join(" -> ")}`, {
      hint: "Each of these has to start after the next; --force goes past this, and systemd then leaves one of them out.",
    });
  }
  const { member, wanted } = problem;
  if (member.name === name) {
    throw new KeelsonError("E_REQUIRES", `${name} requires ${wanted}, which nothing on this host provides`, {
      hint: "Install what provides it first; --force goes past this.",
    });
  }
  const lacking = problems.flatMap((each) => (each.kind === "missing" ? [each.member.name] : []));
  const others = [...new Set(lacking)].filter((other) => other !== name);
  throw new KeelsonError("E_NEEDED", `${name} is needed by ${others.join(", ")}`, {
    hint: `${member.name} requires ${wanted}; remove it first, or go past this with --force.`,
  });
}

function keyOf(problem: OrderProblem): string {
  if (problem.kind === "missing") return JSON.stringify([problem.member.name, problem.wanted]);
  return JSON.stringify([...new Set(problem.units)].sort());
}
