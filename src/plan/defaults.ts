import { comesBeforeNetwork } from "../contract/phase.ts";
import type { Value } from "../contract/values.ts";
import { KeelsonError, printable } from "../errors.ts";
import type { Json } from "../image/json.ts";
import { phaseOf } from "./phase.ts";
import type { DeploymentRequest } from "./request.ts";
import { hasSocket } from "./triggers.ts";

/** Docker's default capabilities. https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities */
const capabilities = [
  "CAP_AUDIT_WRITE",
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_MKNOD",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_RAW",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * What the default templates need beside the common variables: the image's own entrypoint, environment, user, volumes.
 * Empty for an image that brings all of its templates. Throws E_CONFIG for an image without a command.
 */
export function defaultValues(
  request: DeploymentRequest,
  stopSignal: string,
  stateDirectory: string,
): ReadonlyMap<string, Value> {
  const { contract, imageConfig, user } = request;
  if (contract.unit !== undefined && contract.config !== undefined) return new Map();
  const values: Readonly<Record<string, Json>> = {
    DESCRIPTION: `${imageConfig.labels["org.opencontainers.image.title"]?.replace(/[\r\n%\\]/g, " ") ?? request.name} (container)`,
    STOP_SIGNAL: stopSignal,
    TRIGGERED: hasSocket(request) || contract.timer !== undefined,
    BEFORE_NETWORK: comesBeforeNetwork(phaseOf(request)),
    ...(contract.config === undefined ? processValues(request) : {}),
    UID: user.uid,
    GID: user.gid,
    ADDITIONAL_GIDS: user.additionalGids,
    CAPABILITIES: capabilities,
    VOLUMES: imageConfig.volumes.map(checkVolume).map((destination) => ({
      destination,
      source: `${stateDirectory}/${request.name}/${destination.replace(/^\/+/, "").replaceAll("/", "-")}`,
    })),
  };
  return new Map(Object.entries(values).map(([key, value]) => [key, { value, origin: "keelson" as const }]));
}

/** A volume stands in a tmpfiles line and a path of the host. */
function checkVolume(path: string): string {
  if (/^\/[A-Za-z0-9._@:+/-]+$/.test(path) && !path.split("/").includes("..")) return path;
  throw new KeelsonError(
    "E_CONFIG",
    `the image declares the volume ${printable(JSON.stringify(path))}, which is no plain absolute path`,
    {
      hint: "Name the volume with letters, digits and . _ @ : + - only, or bring a config.json.template in /exports.",
    },
  );
}

function processValues(request: DeploymentRequest): Readonly<Record<string, Json>> {
  const { imageConfig, contract } = request;
  const args = [...imageConfig.entrypoint, ...imageConfig.command];
  if (args.length === 0 && !contract.manifest.noContainerService) {
    throw new KeelsonError(
      "E_CONFIG",
      `${request.image.reference} has no command: neither Entrypoint nor Cmd, and no /exports/config.json`,
      {
        hint: "Give the image an ENTRYPOINT or CMD, or a config.json.template in /exports.",
      },
    );
  }
  const environment = imageConfig.environment;
  return {
    ARGS: args.length === 0 ? ["true"] : args,
    ENV: environment.some((entry) => entry.startsWith("PATH=")) ? environment : [searchPath, ...environment],
    CWD: imageConfig.workingDirectory || "/",
  };
}
