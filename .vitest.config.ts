import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Of a tier, the files that take minutes first: one of them begun last would run alone. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification): boolean => /\/(?:crash|chain)\.test\.ts$/.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

/**
 * Tiers by folder: `unit`, then `journeys` (the built program), then `boot` (a real systemd, which is mostly waited for, so that
 * three fit two processors). `kernel` and `powercut` (machines in qemu) and `kill` (a run for every call that changes something)
 * are slow and run only when they are asked for by name.
 */
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [
            "test/journeys/**",
            "test/hostile/**",
            "test/boot/**",
            "test/kernel/**",
            "test/powercut/**",
            "test/kill/**",
            "test/bench/**",
          ],
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "journeys",
          include: ["test/journeys/**/*.test.ts", "test/hostile/**/*.test.ts"],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: "boot",
          include: ["test/boot/**/*.test.ts"],
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: "kernel",
          include: ["test/kernel/**/*.test.ts"],
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          hookTimeout: 900_000,
        },
      },
      {
        test: {
          name: "powercut",
          include: ["test/powercut/**/*.test.ts"],
          sequence: { groupOrder: 4 },
          hookTimeout: 900_000,
        },
      },
      {
        test: {
          name: "kill",
          include: ["test/kill/**/*.test.ts"],
          fileParallelism: false,
          sequence: { groupOrder: 5 },
          testTimeout: 3_600_000,
        },
      },
    ],
  },
});
