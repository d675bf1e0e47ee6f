import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Count {
  readonly passed: number;
  readonly failed: number;
}

const root = join(import.meta.dirname, "..");
const modules = join(root, "node_modules");
const tools: readonly (readonly [string, ...string[]])[] = [["tsc", "-p", "."], ["biome", "check"], ["knip"]];
const tiers = ["unit", "journeys", "boot"];

/**
 * Runs the tools and then every tier of tests, one after the other: each keeps the processors busy by itself. All of it runs
 * whatever fails; the last line adds it up, a tool that complains being one failure.
 */
function main(): void {
  const scratch = mkdtempSync(join(tmpdir(), "keelson-tiers-"));
  try {
    const counts = [...tools.map(runTool), ...tiers.map((tier) => runTier(tier, join(scratch, `${tier}.json`)))];
    const passed = counts.reduce((sum, count) => sum + count.passed, 0);
    const failed = counts.reduce((sum, count) => sum + count.failed, 0);
    process.stdout.write(`${passed} passed, ${failed} failed\n`);
    process.exitCode = failed === 0 ? 0 : 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function runTool([tool, ...argv]: readonly [string, ...string[]]): Count {
  process.stdout.write(`> ${[tool, ...argv].join(" ")}\n`);
  return { passed: 0, failed: run(join(modules, ".bin", tool), argv) ? 0 : 1 };
}

/** A tier that does not end as it should is a failure even where no test of it is: a file that does not load, no tests at all. */
function runTier(tier: string, report: string): Count {
  process.stdout.write(`> vitest ${tier}\n`);
  const config = ["--config", join(root, ".vitest.config.ts"), "--project", tier];
  const ended = run(join(modules, ".bin", "vitest"), [
    "run",
    ...config,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ]);
  const { numPassedTests = 0, numFailedTests = 0 } = readReport(report);
  return { passed: numPassedTests, failed: Math.max(numFailedTests, ended ? 0 : 1) };
}

function readReport(path: string): { readonly numPassedTests?: number; readonly numFailedTests?: number } {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    // Vitest did not get as far as a report; how it ended tells enough.
    return {};
  }
}

function run(program: string, argv: readonly string[]): boolean {
  const { status, error } = spawnSync(program, argv, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (error) throw error;
  return status === 0;
}

main();
