/** Every code a person can meet, what it means, and the exit status it ends with. README lists the same table. */
export const errorCodes = {
  E_USAGE: { status: 2, meaning: "the command line is not understood" },
  E_SETTINGS: { status: 2, meaning: "a settings file or an environment variable holds a value that is not allowed" },
  E_REFERENCE: { status: 2, meaning: "an image reference is not well formed, or names no registry" },
  E_PLATFORM: { status: 1, meaning: "the image has no manifest for the platform asked for" },
  E_NAME: {
    status: 2,
    meaning: "a container name is outside ^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}(@[a-zA-Z0-9_.-]{1,63})?$",
  },
  E_SET: { status: 2, meaning: "a --set is not of the form NAME=VALUE, or names a variable that keelson sets itself" },
  E_NOT_ROOT: { status: 1, meaning: "the command changes the host and needs root, or --user" },

  E_NOT_FOUND: { status: 3, meaning: "no container or image of that name is here" },
  E_PRESENT: {
    status: 0,
    meaning:
      "a container of that name is installed already; status 4 with --json, and 0 without, so that scripts may repeat",
  },
  E_NAME_TAKEN: { status: 4, meaning: "the name belongs to a container, or to a unit that is not keelson's" },
  E_FILE_EXISTS: { status: 4, meaning: "a file that keelson would write exists and is not keelson's" },
  E_IN_USE: { status: 4, meaning: "a container needs the image that is to be removed" },
  E_LOCKED: { status: 6, meaning: "another keelson is changing this root" },

  E_SOURCE: { status: 1, meaning: "an image source (directory, archive) cannot be read or is not what it says" },
  E_REGISTRY: { status: 1, meaning: "a registry refused, failed, or answered something else than was asked" },
  E_BLOCKED: { status: 1, meaning: "registries.conf blocks the registry" },
  E_AUTH: { status: 1, meaning: "a registry wants credentials, or refused the ones it was given" },
  E_DIGEST: { status: 1, meaning: "bytes do not match the digest or size that names them" },
  E_MANIFEST: { status: 1, meaning: "a manifest, index or image configuration breaks the image specification" },
  E_LAYER: { status: 1, meaning: "a layer is damaged, or asks for something no layer may ask for" },
  E_LIMIT: { status: 1, meaning: "an image is larger than a limit allows" },
  E_STORE: { status: 1, meaning: "the store is damaged or not a keelson store" },
  E_IO: { status: 1, meaning: "the system refused to read or write a file" },
  E_NO_SPACE: { status: 1, meaning: "a file system is full, or would be with the image" },
  E_CROSS_DEVICE: { status: 1, meaning: "deployments and store are not on one file system" },

  E_CONTRACT: { status: 1, meaning: "a file in the image's /exports is not well formed" },
  E_TEMPLATE: { status: 1, meaning: "a template cannot be rendered" },
  E_VALUE_MISSING: { status: 1, meaning: "a template variable has neither a value nor a default" },
  E_VALUE: { status: 1, meaning: "a value may not stand where a template puts it" },
  E_CONFIG: { status: 1, meaning: "the rendered config.json is not one that keelson runs" },
  E_UNIT: { status: 1, meaning: "the rendered unit is not one that systemd would read as written" },
  E_TMPFILES: {
    status: 1,
    meaning: "the rendered tmpfiles lines are not well formed, or would remove what is the host's",
  },
  E_HOST_FILE: { status: 1, meaning: "a host file of the image may not be put where the image wants it" },
  E_MOUNT: { status: 1, meaning: "a tree could not be mounted or unmounted" },
  E_QUADLET: { status: 1, meaning: "a .container file of podman is not well formed, or names no image" },
  E_ATOMIC: { status: 1, meaning: "a container that atomic installed cannot be taken over as it is" },
  E_NO_SHELL: { status: 1, meaning: "the container's image has no shell" },
  E_RUNTIME: { status: 1, meaning: "the OCI runtime is not installed or does not answer" },

  E_SYSTEMD: { status: 1, meaning: "systemd refused or failed an operation" },
  E_START: { status: 5, meaning: "the change was made, but the service did not start" },
  E_UNHEALTHY: { status: 8, meaning: "the new deployment did not prove healthy; the one before it is back" },
  E_WIDENS: { status: 11, meaning: "the update would let the container do more than before; nothing was changed" },
  E_POLICY: { status: 12, meaning: "policy.json does not let the image in; nothing was changed" },
  E_REQUIRES: { status: 13, meaning: "nothing on this host provides what the image requires; nothing was changed" },
  E_NEEDED: { status: 13, meaning: "other containers require what would go; nothing was changed" },
  E_CYCLE: { status: 13, meaning: "services would each have to start after the other; nothing was changed" },
  E_PHASE: {
    status: 13,
    meaning: "a container would have to wait for a network that comes later; nothing was changed",
  },
  E_STOP: { status: 1, meaning: "the service did not stop; nothing was removed" },
  E_RECOVER: { status: 7, meaning: "an interrupted change could be neither finished nor undone" },
  E_INTERRUPTED: { status: 130, meaning: "stopped by a signal; what was begun has been undone" },
} as const satisfies Record<string, { readonly status: number; readonly meaning: string }>;

/** Exit statuses that are no failure; the others belong to a code. */
export const statuses = { done: 0, absent: 3, drift: 9, changes: 10 } as const;

export type ErrorCode = keyof typeof errorCodes;

/** An error a person can act on: `message` names the thing, `hint` says what to do next, `code` never changes. */
export class KeelsonError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, options: { readonly hint: string; readonly cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "KeelsonError";
    this.code = code;
    this.hint = options.hint;
  }
}

/** The errno name (`ENOENT`) of a system error; undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** `text` with control characters and lone surrogates written as escapes, so that an image cannot write to a terminal. */
export function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(
      /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/g,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
}

const verbs =
  "apply|exec|history|images|info|install|list|logs|plan|prune|pull|recover|rollback|shell|status|uninstall|update|verify|why";

/**
 * What people are told of commands, and to type, in the words of a user whose services are not the host's: `systemctl --user`. Lines of a diff
 * stay as they are.
 */
export function inUserWords(text: string): string {
  if (/^[-+ @]/.test(text)) return text;
  return text
    .replace(/(?<![\w/-])(systemctl|journalctl|systemd-tmpfiles)(?= (?!--user))/g, "$1 --user")
    .replace(new RegExp(`(?<![\\w/-])keelson (?=(?:${verbs})\\b)`, "g"), "keelson --user ");
}
