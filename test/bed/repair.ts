import { readFile, writeFile } from "node:fs/promises";
import { expect } from "vitest";
import type { Host } from "./journey.ts";

/** What `verify` says is not as it was installed. */
interface DriftRow {
  readonly container: string | null;
  readonly generation: number | null;
  readonly path: string;
  readonly problem: string;
}

/** The answer of `keelson --json verify --repair`, and its exit status. */
export interface RepairAnswer {
  readonly status: number;
  readonly clean: boolean;
  readonly repaired: readonly (DriftRow & { readonly source: string })[];
  readonly findings: readonly (DriftRow & { readonly reason: string })[];
  readonly restart: readonly string[];
}

/** Runs `keelson --json verify --repair ARGS...`, which has to come to an answer. */
export async function repair(host: Host, ...args: readonly string[]): Promise<RepairAnswer> {
  const { status, stdout, stderr } = await host.keelson("--json", "verify", "--repair", ...args);
  expect([0, 9], stderr).toContain(status);
  return { status, ...JSON.parse(stdout) };
}

/** Changes one bit of a file, in place. */
export async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

/** Rows in the order of their paths. */
export function byPath<T extends { readonly path: string }>(rows: readonly T[]): readonly T[] {
  return rows.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}
