import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { KeelsonError, printable } from "./errors.ts";
import { parseIni } from "./ini.ts";

/** What keelson.conf and the environment say, checked, defaults filled in. */
export interface Settings {
  readonly stateDirectory: string;
  readonly runtime?: string;
  readonly tlsVerify: boolean;
  /** Files with registry credentials, the first that knows a registry wins. */
  readonly authFiles: readonly string[];
  /** The one of them that a login is written to. */
  readonly loginFile: string;
  /** Bytes that one layer may expand to. */
  readonly layerSize: number;
  /** Entries that one layer may have. */
  readonly layerEntries: number;
  /** Bytes that one extension header of a layer may have: names, links and attributes that are long. */
  readonly headerSize: number;
  /** Bytes that one file of an image's /exports may have that keelson reads as text. */
  readonly templateSize: number;
  /** How large the documents of an image may be: see DocumentLimits. */
  readonly documentLimits: {
    readonly bytes: number;
    readonly layers: number;
    readonly entries: number;
    readonly depth: number;
  };
  /** Percent of the free space of the store's file system that an image may not take. */
  readonly freeSpace: number;
  /** Redirects in a row that are followed. */
  readonly redirects: number;
  /** How often a request is sent that meets a passing failure, the first time included. */
  readonly tries: number;
  /** Seconds until a connection to a registry has to stand. */
  readonly connectTimeout: number;
  /** Seconds that a registry may be silent within an answer. */
  readonly idleTimeout: number;
  /** The most seconds that a registry may ask to wait before the next try. */
  readonly retryWait: number;
  /** Bytes of a layer that is fetched only to look for /exports in it. */
  readonly inspectSize: number;
  /** Layers that are fetched at once. */
  readonly connections: number;
  /** Deployments of a container that are kept, the current one among them. */
  readonly keep: number;
  /** The home directory of who runs keelson. */
  readonly home: string;
  /** What credential helpers get of the environment. */
  readonly helperEnvironment: NodeJS.ProcessEnv;
  /** Where the Docker daemon listens, as DOCKER_HOST says it. */
  readonly dockerHost: string;
  /** What HTTP_PROXY and its like say; the URLs may hold passwords. */
  readonly proxies: { readonly http?: string; readonly https?: string; readonly except: string };
  /** Certificates to trust beside the system's, as paths of PEM files. */
  readonly caFiles: readonly string[];
}

export const settingsPath = "/etc/keelson/keelson.conf";

/** Every key of keelson.conf. README lists the same table. */
export const settingKeys = {
  state_directory: { default: "/var/lib/keelson", meaning: "where images and deployments are kept" },
  runtime: { default: "", meaning: "path of the OCI runtime; empty: runc, else crun, where distributions put them" },
  tls_verify: {
    default: "true",
    meaning: "whether a registry must be who its certificate says; false also allows plain HTTP",
  },
  auth_file: { default: "", meaning: "a file with registry credentials, asked before the usual ones" },
  ca_file: { default: "", meaning: "PEM certificates to trust beside the system's" },
  layer_size: { default: "17179869184", meaning: "bytes that one layer may expand to" },
  layer_entries: {
    default: "1000000",
    meaning:
      "files, directories and links that one layer may have; of directories that only paths name a tenth of it, or 1000",
  },
  header_size: {
    default: "1048576",
    meaning: "bytes that the long names and attributes of one entry of a layer may have",
  },
  template_size: { default: "1048576", meaning: "bytes that a template or other text in /exports may have" },
  document_size: { default: "4194304", meaning: "bytes that a manifest, index or configuration of an image may have" },
  index_depth: { default: "8", meaning: "indexes that may name one another until there is a manifest" },
  index_entries: { default: "1000", meaning: "entries that an index may have" },
  image_layers: { default: "127", meaning: "layers that an image may have" },
  free_space: {
    default: "5",
    meaning: "percent of the free space of the store's file system that the layers of an image may not take",
  },
  redirects: { default: "5", meaning: "redirects in a row that are followed" },
  tries: { default: "5", meaning: "how often a request is sent that meets a passing failure" },
  connect_timeout: { default: "10", meaning: "seconds until a connection to a registry has to stand" },
  idle_timeout: { default: "60", meaning: "seconds that a registry may be silent within an answer" },
  retry_wait: { default: "60", meaning: "the most seconds that a registry may ask to wait before the next try" },
  inspect_size: {
    default: "1048576",
    meaning: "bytes of a layer that inspect fetches to see what an image asks of its host",
  },
  connections: { default: "3", meaning: "layers of an image that are fetched at once" },
  keep: { default: "3", meaning: "deployments of a container that are kept, the current one among them" },
} as const satisfies Record<string, { readonly default: string; readonly meaning: string }>;

/** Every environment variable that is read. README lists the same table. */
export const environmentVariables = {
  REGISTRY_AUTH_FILE: "a file with registry credentials, asked first",
  DOCKER_CONFIG: "the directory of Docker's config.json",
  DOCKER_HOST: "where a Docker daemon listens: unix:///PATH; default unix:///var/run/docker.sock",
  XDG_RUNTIME_DIR: "where containers/auth.json of a login session is; with --user also where its systemd is",
  XDG_CONFIG_HOME: "with --user: where units, settings and overrides go; default: ~/.config",
  XDG_DATA_HOME: "with --user: where images and deployments are kept; default: ~/.local/share",
  HOME: "where .config/containers and .docker/config.json are",
  PATH: "where credential helpers, docker-credential-NAME, are looked for",
  SSL_CERT_FILE: "PEM certificates to trust beside the system's",
  HTTPS_PROXY: "the proxy for HTTPS, http://[USER:PASSWORD@]HOST[:PORT]; also https_proxy",
  HTTP_PROXY: "the same for plain HTTP; also http_proxy",
  NO_PROXY: "hosts, domains, addresses and networks that are spoken to directly, with commas between; also no_proxy",
} as const;

type Key = keyof typeof settingKeys;

/**
 * Reads `keelson.conf` below `prefix` ("" for the running host), or that of the user whose `places` these are. Throws E_SETTINGS
 * naming file and key.
 */
export function readSettings(
  prefix: string,
  environment: NodeJS.ProcessEnv,
  places = { configuration: dirname(settingsPath), state: dirname(settingKeys.state_directory.default) },
): Settings {
  const path = `${prefix}${places.configuration}/${basename(settingsPath)}`;
  const written = existsSync(path) ? parseIni(readFileSync(path, "utf8")) : {};
  const values = new Map<string, string>();
  for (const [key, value] of Object.entries(written)) {
    if (!(key in settingKeys)) throw bad(path, key, `is not one of ${Object.keys(settingKeys).join(", ")}`);
    values.set(key, String(value).trim());
  }
  const usual = {
    ...settingKeys,
    state_directory: { default: `${places.state}/${basename(settingKeys.state_directory.default)}` },
  };
  const text = (key: Key): string => values.get(key) || usual[key].default;
  const count = (key: Key): number => {
    const value = text(key);
    if (!/^[1-9][0-9]{0,14}$/.test(value)) throw bad(path, key, `is ${printable(value)}, not a whole number above 0`);
    return Number(value);
  };
  if (!["true", "false"].includes(text("tls_verify"))) throw bad(path, "tls_verify", "is neither true nor false");
  if (!/^\/[^\s%"'\\$]*[^/\s%"'\\$]$/.test(text("state_directory")))
    throw bad(path, "state_directory", "is not an absolute path without spaces and quotes");
  if (count("free_space") > 99) throw bad(path, "free_space", "is not a percentage from 1 to 99");
  const runtime = text("runtime");
  return {
    stateDirectory: text("state_directory"),
    ...(runtime === "" ? {} : { runtime }),
    tlsVerify: text("tls_verify") === "true",
    helperEnvironment: { ...environment, LD_LIBRARY_PATH: undefined },
    proxies: proxiesOf(environment),
    home: environment.HOME ?? "/root",
    dockerHost: environment.DOCKER_HOST || "unix:///var/run/docker.sock",
    authFiles: authFiles(text("auth_file"), environment),
    loginFile: environment.REGISTRY_AUTH_FILE || runtimeAuthFile(environment),
    ...numbersOf(count),
    caFiles: [text("ca_file"), environment.SSL_CERT_FILE ?? ""].filter((file) => file !== ""),
  };
}

function numbersOf(count: (key: Key) => number) {
  return {
    layerSize: count("layer_size"),
    layerEntries: count("layer_entries"),
    headerSize: count("header_size"),
    templateSize: count("template_size"),
    documentLimits: {
      bytes: count("document_size"),
      layers: count("image_layers"),
      entries: count("index_entries"),
      depth: count("index_depth"),
    },
    freeSpace: count("free_space"),
    redirects: count("redirects"),
    tries: count("tries"),
    connectTimeout: count("connect_timeout"),
    idleTimeout: count("idle_timeout"),
    retryWait: count("retry_wait"),
    inspectSize: count("inspect_size"),
    connections: count("connections"),
    keep: count("keep"),
  };
}

/** The places of containers-auth.json(5), then Docker's. */
function authFiles(configured: string, environment: NodeJS.ProcessEnv): readonly string[] {
  const { REGISTRY_AUTH_FILE, HOME = "/root", DOCKER_CONFIG = join(HOME, ".docker") } = environment;
  const places = [
    REGISTRY_AUTH_FILE ?? "",
    configured,
    runtimeAuthFile(environment),
    join(HOME, ".config", "containers", "auth.json"),
    join(DOCKER_CONFIG, "config.json"),
  ];
  return places.filter((place) => place !== "");
}

/** As in Go, the name in capitals goes before the other one. */
function proxiesOf(environment: NodeJS.ProcessEnv): Settings["proxies"] {
  const read = (name: string): string => environment[name] || environment[name.toLowerCase()] || "";
  const http = proxyUrl("HTTP_PROXY", read("HTTP_PROXY"));
  const https = proxyUrl("HTTPS_PROXY", read("HTTPS_PROXY"));
  return { ...(http && { http }), ...(https && { https }), except: read("NO_PROXY") };
}

/** The value is not repeated in the error: it may hold a password. */
function proxyUrl(name: string, value: string): string | undefined {
  if (value === "") return undefined;
  const url = URL.parse(value.includes("://") ? value : `http://${value}`);
  if (
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.hostname !== "" &&
    !/%(?![0-9a-f]{2})/i.test(url.password + url.username)
  ) {
    return url.href;
  }
  throw new KeelsonError("E_SETTINGS", `${name} is not the URL of an HTTP proxy`, {
    hint: "Write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with % escapes where a password needs them.",
  });
}

function runtimeAuthFile({ XDG_RUNTIME_DIR }: NodeJS.ProcessEnv): string {
  return XDG_RUNTIME_DIR === undefined
    ? join(`/run/containers/${process.getuid?.() ?? 0}`, "auth.json")
    : join(XDG_RUNTIME_DIR, "containers", "auth.json");
}

function bad(path: string, key: string, why: string): KeelsonError {
  return new KeelsonError("E_SETTINGS", `${path}: ${printable(key)} ${why}`, {
    hint: "The README lists every key with its default; remove the line to have the default.",
  });
}
