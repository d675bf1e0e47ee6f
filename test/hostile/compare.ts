import { formatTable } from "../../src/output.ts";
import { caseClasses, type HostileCase } from "./case.ts";
import { hostileCases } from "./cases.ts";
import { type Outcome, runHere } from "./keelson.ts";
import { type Peer, peers } from "./peers.ts";
import { makeStand, type Stand, treeDifferences } from "./stand.ts";

interface Judgement {
  readonly kind: "right" | "wrong" | "crashed";
  readonly escaped: boolean;
  readonly why: readonly string[];
}

/**
 * Runs keelson and the peers over every case, and prints who was right how often: `compare.ts [CLASS...]`, the differences of
 * these classes (`all`: of every one) behind it. A peer is asked for what is an OCI layout and needs no setting of keelson's.
 */
async function main(): Promise<void> {
  const shown = new Set(process.argv.slice(2));
  const names = ["keelson", ...peers.map(({ name }) => name)];
  const judgements = new Map<
    string,
    { readonly of: HostileCase; readonly by: string; readonly judgement: Judgement }[]
  >();
  for (const hostile of hostileCases) {
    for (const [by, judgement] of await judgeAll(hostile)) {
      const key = `${hostile.class} ${by}`;
      judgements.set(key, [...(judgements.get(key) ?? []), { of: hostile, by, judgement }]);
    }
  }
  const rows = Object.entries(caseClasses).map(([name, title]) => [
    `${name} ${title}`,
    ...names.map((by) => countsOf((judgements.get(`${name} ${by}`) ?? []).map(({ judgement }) => judgement))),
  ]);
  const all = [...judgements.values()].flat();
  const sums = names.map((by) => countsOf(all.filter((one) => one.by === by).map(({ judgement }) => judgement)));
  const lines = all
    .filter(({ of, judgement }) => judgement.kind !== "right" && (shown.has(of.class) || shown.has("all")))
    .map(
      ({ of, by, judgement }) =>
        `${of.class} ${by}: ${of.name}: ${judgement.kind}: ${judgement.why.join("; ").slice(0, 400)}`,
    );
  process.stdout.write(
    `${[...formatTable(["class", ...names], [...rows, ["all", ...sums]]), "", ...lines].join("\n")}\n`,
  );
  process.exitCode = all.some(({ by, judgement }) => by === "keelson" && judgement.kind !== "right") ? 1 : 0;
}

async function judgeAll(hostile: HostileCase): Promise<readonly (readonly [string, Judgement])[]> {
  const judged: (readonly [string, Judgement])[] = [];
  const here = await makeStand(hostile);
  try {
    judged.push(["keelson", judge(hostile, here, await runHere(here), [])]);
  } finally {
    await here.remove();
  }
  const { registry, install, reference, settings } = here.image;
  if (registry ?? install ?? reference ?? settings) return judged;
  for (const peer of peers) judged.push([peer.name, await judgePeer(hostile, peer)]);
  return judged;
}

async function judgePeer(hostile: HostileCase, peer: Peer): Promise<Judgement> {
  const stand = await makeStand(hostile);
  try {
    const { outcome, strays } = await peer.unpack(stand);
    return judge(hostile, stand, outcome, strays);
  } finally {
    await stand.remove();
  }
}

function judge(hostile: HostileCase, stand: Stand, outcome: Outcome, strays: readonly string[]): Judgement {
  const escapes = [...stand.escapes(), ...strays];
  const escaped = escapes.length > 0;
  if (outcome.kind === "crashed") return { kind: "crashed", escaped, why: [...escapes, outcome.message] };
  const { kind } = hostile.expect;
  if (outcome.kind === "refused") {
    const right = kind !== "exact" && !escaped;
    return { kind: right ? "right" : "wrong", escaped, why: [...escapes, `refused: ${outcome.message}`] };
  }
  const differences = treeDifferences(hostile, stand, outcome.tree);
  const right = differences.length === 0 && !escaped;
  return { kind: right ? "right" : "wrong", escaped, why: [...escapes, ...differences] };
}

/** `RIGHT of CASES`, and what went beyond being wrong. */
function countsOf(judgements: readonly Judgement[]): string {
  if (judgements.length === 0) return "-";
  const count = (of: (judgement: Judgement) => boolean): number => judgements.filter(of).length;
  const [right, crashed, escaped] = [
    count(({ kind }) => kind === "right"),
    count(({ kind }) => kind === "crashed"),
    count((judgement) => judgement.escaped),
  ];
  const more = [...(crashed > 0 ? [`${crashed} crashed`] : []), ...(escaped > 0 ? [`${escaped} escaped`] : [])];
  return [`${right}/${judgements.length}`, ...more].join(", ");
}

await main();
