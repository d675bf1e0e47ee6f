import { isObject } from "./json.ts";

/** A command inside the container that ends with 0 when all is well. Times in milliseconds. */
export interface HealthCheck {
  readonly command: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  /** How many failures in a row are still no reason to worry. */
  readonly retries: number;
}

/** A day in milliseconds: a timer set for 25 of them goes off at once. */
export const longestTime = 86_400_000;

const perMillisecond = 1_000_000;

/**
 * The HEALTHCHECK of a Docker image's configuration, whose times are nanoseconds; undefined when it has none, or the
 * image switches that of its base off. https://github.com/moby/docker-image-spec/blob/main/spec.md
 */
export function parseHealthcheck(value: unknown): HealthCheck | undefined {
  if (!isObject(value) || !Array.isArray(value.Test)) return undefined;
  const [kind, ...rest] = value.Test.map(String);
  const command = kind === "CMD" ? rest : kind === "CMD-SHELL" ? ["/bin/sh", "-c", rest.join(" ")] : [];
  if (command.length === 0) return undefined;
  const time = (time: unknown, standard: number): number =>
    typeof time === "number" && time > 0 ? Math.min(Math.max(1, time / perMillisecond), longestTime) : standard;
  const { Retries: retries } = value;
  return {
    command,
    interval: time(value.Interval, 30_000),
    timeout: time(value.Timeout, 30_000),
    retries: typeof retries === "number" && retries > 0 ? retries : 3,
  };
}
