import { KeelsonError } from "../../../src/errors.ts";
import { parseImageConfig } from "../../../src/image/config.ts";
import {
  choosePlatform,
  layerCompression,
  type Manifest,
  parseAttachment,
  parseManifest,
} from "../../../src/image/manifest.ts";
import { parseVerified } from "../../../src/image/verified.ts";
import { FormatProblem } from "../../../src/trust/fields.ts";
import { parsePolicy } from "../../../src/trust/policy.ts";
import { jsonMutations } from "../mutate-json.ts";
import { expectSame } from "../same.ts";
import type { Target } from "../target.ts";

const digest = `sha256:${"a".repeat(64)}`;
const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size: 7, annotations: { a: "b" } };
const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: 2 };
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const platform = { os: "linux", architecture: "arm", variant: "v7" };
const documents = [
  { schemaVersion: 2, mediaType: manifestType, config, layers: [layer, layer] },
  { schemaVersion: 2, manifests: [{ mediaType: manifestType, digest, size: 1, platform }] },
  { schemaVersion: 2, layers: [layer], subject: config, config, artifactType: "x" },
  {
    ...{ os: "linux", architecture: "amd64", variant: "v8", created: "2024-01-01T00:00:00Z" },
    rootfs: { type: "layers", diff_ids: [digest] },
    config: {
      Cmd: ["a"],
      Env: ["A=b"],
      User: "0",
      Labels: { a: "b" },
      Volumes: { "/v": {} },
      StopSignal: "SIGTERM",
      Healthcheck: { Test: ["CMD", "x"], Interval: 1e9 },
    },
  },
  { kind: "signed", by: ["x"], under: digest },
  {
    default: [{ type: "reject" }],
    transports: { docker: { "a/b": [{ type: "signedBy", keyType: "GPGKeys", keyPath: "/k" }] } },
  },
];

/** Manifests, indexes, configurations and what else is JSON: right ones stay what they are when they are written again. */
export const documentsTarget: Target = {
  name: "documents",
  seeds: documents.map((document) => Buffer.from(JSON.stringify(document))),
  words: [
    ...new Set(documents.flatMap((document) => JSON.stringify(document).match(/"[^"]*"/g) ?? [])),
    "null",
    "true",
    "-1",
    "1e999",
    "{}",
    "[]",
    '"__proto__":',
    "\\u0000",
    "\\ud800",
    digest,
  ],
  mutations: jsonMutations,
  run(input) {
    attempt(() => {
      const parsed = parseManifest(input, undefined, "input");
      if (parsed.kind === "manifest") return checkManifest(parsed);
      const { manifests, mediaType } = parsed;
      expectSame(
        parseManifest(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests })), undefined, "again"),
        parsed,
      );
      choosePlatform(parsed, platform, "input");
    });
    attempt(() => parseImageConfig(input, countOf(input), "input"));
    attempt(() => parseAttachment(input, "input"));
    attempt(() => parseVerified(input.toString("utf8")));
    attempt(() => parsePolicy(input));
  },
};

/** How many layers the manifest of a configuration has: mostly as many as that says. */
function countOf(input: Buffer): number {
  const [list] = /"diff_ids":\[[^\]]*/.exec(input.toString("latin1")) ?? [""];
  return input.length % 16 === 0 ? input.length % 3 : list.split("sha256:").length - 1;
}

function checkManifest(parsed: Manifest): void {
  const { mediaType, config: described, layers } = parsed;
  const text = JSON.stringify({ schemaVersion: 2, mediaType, config: described, layers });
  expectSame(parseManifest(Buffer.from(text), undefined, "again"), parsed);
  for (const one of layers) attempt(() => layerCompression(one));
}

/** Runs what may say that the input is bad. */
export function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    // Told by whoever reads the file, in words of its own.
    if (error instanceof FormatProblem) return undefined;
    if (!(error instanceof KeelsonError)) throw error;
    if (/[\u0000-\u001f\u007f-\u009f]/.test(error.message.replaceAll("\n", "")))
      throw new Error(`a message is not printable: ${JSON.stringify(error.message)}`);
    return undefined;
  }
}
