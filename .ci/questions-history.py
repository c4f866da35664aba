#!/usr/bin/env python3
"""Writes a made-up history of about 1 GB, as services of a machine leave it: questions-history.py FOLDER

FOLDER gets six services, each with log/run and log/main; the last line is of now. A second of a service is one of a
few blocks of lines in which only the seconds of the labels are replaced, so it takes seconds to write.
"""
import os, sys, time

HOURS = 26
FILE_LEN = 16_000_000
SECONDS = b"SSSSSSSSSSSSSSSS"


def label(unix_secs, nanos=0):
    return b"@%016x%08x" % ((1 << 62) + 10 + unix_secs, nanos)


def block(lines):
    """Lines of a second, evenly spread."""
    step = 999_999_999 // len(lines)
    return b"".join(
        b"@%s%08x %s\n" % (SECONDS, number * step, line.encode()) for number, line in enumerate(lines)
    )


def web(second):
    def line(number):
        client = "198.51.100.9" if second == 7 and number == 9 else f"10.{number % 4}.{second % 250}.{number}"
        status = 503 if second == 3 and number == 4 else 404 if number == 11 else 200
        path = f"/shop/item/{second * 131 + number * 17}?from=search&page={number}"
        return f'{client} - - "GET {path} HTTP/1.1" {status} {900 + number * 37} "Mozilla/5.0 (X11; Linux)" {number}ms'

    return [line(number) for number in range(50)]


def dns(second):
    return [f"query {number:05} 10.0.{second % 250}.{number} host{second * 7 + number}.example. A NOERROR 0.{number}ms"
            for number in range(24)]


def api(second):
    return [f'level=info msg="request done" method=POST path=/v2/orders/{second * 31 + number} status=201 '
            f'duration={number + 3}ms trace={second:08x}{number:08x} user=u{number * 7919 % 1000}'
            for number in range(14)]


def smtpd(second):
    return [f"tcpserver: pid {2000 + second} from 192.0.2.{second % 200}", f"tcpserver: end {2000 + second} status 0"]


def imapd(second):
    return [f"imapd: login user{second % 40} from 192.0.2.{second % 99}"] if second % 3 == 0 else []


# Lines of single moments, by seconds before now.
EVENTS = {
    "api": {
        540: ['level=error msg="unable to reach db" error="connection refused"'],
        539: ["thread main panicked at src/pool.rs:71: no connection left", "stack backtrace: 12 frames",
              "supervise: api exited with status 101", 'level=info msg="starting" version=2.4.1'],
    },
    "smtpd": {200: ["qmail-smtpd: 451 temporary failure: out of disk space"], 1200: ["error: unable to write mailbox of bob"]},
    "db": {541: ["FATAL: out of shared memory", "restarting"], 3000: ["checkpoint complete"], 60: ["ready for connections"]},
}
SERVICES = {"web": web, "dns": dns, "api": api, "smtpd": smtpd, "imapd": imapd, "db": lambda second: []}


def write_service(folder, name, now):
    log = os.path.join(folder, name, "log")
    main = os.path.join(log, "main")
    os.makedirs(main)
    for path, text in ((f"{folder}/{name}/run", f"exec {name}d"),
                       (f"{log}/run", "exec multilog t s16777215 n200 ./main")):
        with open(path, "w") as script:
            script.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)
    blocks = [block(lines) if lines else b"" for lines in map(SERVICES[name], range(60))]
    events, parts, size = EVENTS.get(name, {}), [], 0
    # At a quarter past two something happens in every night.
    for second in range(now - HOURS * 3600, now):
        seconds = b"%016x" % ((1 << 62) + 10 + second)
        part = blocks[second % 60].replace(SECONDS, seconds)
        lines = events.get(now - second, [])
        clock = time.localtime(second) if name == "smtpd" and second % 60 == 0 else None
        if clock and (clock.tm_hour, clock.tm_min) == (2, 15):
            lines = ["qmail-smtpd: 451 temporary failure: out of disk space"]
        part += b"".join(label(second, 999_999_990 + number) + b" " + line.encode() + b"\n" for number, line in enumerate(lines))
        parts.append(part)
        size += len(part)
        if size >= FILE_LEN:
            write(f"{main}/{label(second + 1).decode()}.s", parts)
            parts, size = [], 0
    write(f"{main}/current", parts)


def write(path, parts):
    with open(path, "wb") as file:
        file.writelines(parts)
    os.chmod(path, 0o744)


now = int(time.time())
for name in SERVICES:
    write_service(sys.argv[1], name, now)
