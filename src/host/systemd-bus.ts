import type { EventEmitter } from "node:events";
import type { MessageBus } from "dbus-next";
import { errnoOf, KeelsonError } from "../errors.ts";
import type { User } from "../plan/places.ts";

/** A bus, as far as systemd is spoken to. */
export interface Bus {
  /**
   * Calls a method of systemd and gives the reply's values. Throws E_SYSTEMD with systemd's own words; `errorName` tells which.
   */
  call(path: string, method: string, signature: string, body: readonly unknown[]): Promise<readonly unknown[]>;
  /** Starts a job and waits until it is gone from systemd's queue; gives its result, `done` if all is well. */
  runJob(method: "StartUnit" | "RestartUnit" | "StopUnit", unit: string): Promise<string>;
  close(): void;
}

export const managerPath = "/org/freedesktop/systemd1";
const systemd = "org.freedesktop.systemd1";
const manager = `${systemd}.Manager`;
const daemon = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
};
const jobSignal = `type='signal',sender='${systemd}',interface='${manager}',member='JobRemoved',path='${managerPath}'`;

/**
 * Connects to the system bus: `$DBUS_SYSTEM_BUS_ADDRESS`, or the usual socket; or to the bus of a user. Messages are sent as
 * they are, without reading systemd's large self-description first. Throws E_SYSTEMD.
 */
export async function connectBus(user?: User): Promise<Bus> {
  // It takes longer to load than most commands run, and only those that talk to systemd need it.
  const { default: dbus } = await import("dbus-next");
  const connect =
    user === undefined
      ? dbus.systemBus
      : (): MessageBus => dbus.sessionBus({ busAddress: `unix:path=${user.runtimeHome}/bus` });
  const { bus, lost } = await open(connect).catch((error: unknown) => {
    throw user === undefined ? unreachable(error) : withoutSession(error, user);
  });
  const results = new Map<string, string>();
  const waiting = new Map<string, (result: string) => void>();
  bus.on("message", (message) => {
    if (message.interface !== manager || message.member !== "JobRemoved") return;
    const [, job, , result] = message.body as [number, string, string, string];
    results.set(job, result);
    waiting.get(job)?.(result);
  });
  const send = async (message: ConstructorParameters<typeof dbus.Message>[0]): Promise<readonly unknown[]> => {
    const reply = await Promise.race([bus.call(new dbus.Message(message)), lost]).catch((error: unknown) => {
      throw refused(error);
    });
    return (reply?.body ?? []) as readonly unknown[];
  };
  const call: Bus["call"] = (path, method, signature, body) => {
    const dot = method.lastIndexOf(".");
    const [face, member] = dot === -1 ? [manager, method] : [method.slice(0, dot), method.slice(dot + 1)];
    return send({ destination: systemd, path, interface: face, member, signature, body: [...body] });
  };
  let subscribed: Promise<unknown> | undefined;
  return {
    call,
    runJob: async (method, unit) => {
      subscribed ??= send({ ...daemon, member: "AddMatch", signature: "s", body: [jobSignal] }).then(() =>
        call(managerPath, "Subscribe", "", []),
      );
      await subscribed;
      const [job] = (await call(managerPath, method, "ss", [unit, "replace"])) as [string];
      // A quick job is gone before the reply that names it.
      return (
        results.get(job) ?? (await Promise.race([new Promise<string>((resolve) => waiting.set(job, resolve)), lost]))
      );
    },
    close: () => bus.disconnect(),
  };
}

/** The D-Bus name of the error that systemd answered with, such as `org.freedesktop.systemd1.NoSuchUnit`. */
export function errorName(error: unknown): string | undefined {
  const cause = error instanceof KeelsonError ? error.cause : undefined;
  return cause instanceof Error && "type" in cause && typeof cause.type === "string" ? cause.type : undefined;
}

/** A connection that has been greeted, and a promise that rejects when it is lost. */
async function open(connect: () => MessageBus): Promise<{ readonly bus: MessageBus; readonly lost: Promise<never> }> {
  let bus: MessageBus | undefined;
  try {
    bus = connect();
    const opened = bus;
    const lost = connectionLoss(opened);
    await Promise.race([new Promise<void>((resolve) => opened.on("connect", resolve)), lost]);
    return { bus, lost };
  } catch (error) {
    bus?.disconnect();
    throw error;
  }
}

/** Rejects when the connection fails or ends: calls under way would wait for ever. */
function connectionLoss(bus: MessageBus): Promise<never> {
  // dbus-next tells of errors, but not of the daemon's going away; its connection does.
  const { _connection: connection } = bus as unknown as { readonly _connection: EventEmitter };
  const lost = new Promise<never>((_resolve, reject) => {
    bus.on("error", reject);
    connection.on("end", () => reject(new Error("the bus has closed the connection")));
  });
  lost.catch(() => {});
  return lost;
}

function refused(error: unknown): KeelsonError {
  if (error instanceof KeelsonError) return error;
  const { text } = error as { readonly text?: unknown };
  const message = typeof text === "string" ? text : error instanceof Error ? error.message : String(error);
  return new KeelsonError("E_SYSTEMD", `systemd: ${message}`, {
    hint: "See systemctl status and the journal.",
    cause: error,
  });
}

/** The user is not logged in, or there is no bus in the session. */
function withoutSession(error: unknown, { name, runtimeHome }: User): KeelsonError {
  const reason = errnoOf(error) ?? (error instanceof Error ? error.message : String(error));
  return new KeelsonError(
    "E_SYSTEMD",
    `the service manager of ${name} does not answer at ${runtimeHome}/bus (${reason})`,
    {
      hint: `Log in, or have it run without a login: loginctl enable-linger ${name}; it needs a bus (Debian's dbus-user-session).`,
      cause: error,
    },
  );
}

/** systemd runs, but there is no way to talk to it. */
function unreachable(error: unknown): KeelsonError {
  const reason = errnoOf(error) ?? (error instanceof Error ? error.message : String(error));
  return new KeelsonError("E_SYSTEMD", `systemd runs, but the system bus does not answer (${reason})`, {
    hint: "Install and start dbus (or dbus-broker), or use --root to enable units by links only.",
    cause: error,
  });
}
