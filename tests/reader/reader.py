#!/usr/bin/env python3
"""An independent reader of artstore stores, written from docs/format.md alone.

It shares no code with the program and its author did not read the program's sources: what it restores
proves that the document says enough. Where it checks something, the document says that a reader checks it;
headings of the document stand in the comments.

    reader.py STORE                          list every version: its ref, digest, id, and what is said of it
    reader.py STORE NAME[:REF] DEST          restore a version into DEST, which must be empty or not there;
                                             REF is latest (the default), vN, vN.DIGITS or an alias

    --packs     also hash every pack whole, and read it block by block as if its table were lost
    --rebuild   also build the version's trees of pages from their rows alone, and compare the ids
    --recut     also cut each restored file of at most 8 MiB again, and compare the chunk lists

Damage is told on standard error, one line each. Exit 0 if all is well, 1 if anything was damaged or not found.
Beyond the standard library it needs the packages `blake3` and `zstandard`.
"""

import argparse
import functools
import json
import os
import re
import stat
import struct
import sys
from collections import namedtuple
from decimal import Decimal

import zstandard
from blake3 import blake3

KIB, MIB, U64_MOST = 1024, 1024 * 1024, 2**64 - 1
CHUNK_MOST, BLOCK_MOST, PACK_MOST, PAGE_MOST = 256 * KIB, 512 * KIB, 48 * MIB, 256 * KIB
BLOCK_CHUNKS_MOST, LEVELS_MOST, RUNS_MOST, RECORD_MOST, METADATA_MOST = 4096, 8, 32, 64 * KIB, MIB
RECUT_MOST = 8 * MIB  # this reader's own: its cutter is plain, and slow

MANIFEST, ENTRIES, ENTRY_INDEX, CHUNKS, CHUNK_INDEX, METADATA = range(6)
PAGE_KINDS = ["manifest", "entries page", "entry index page", "chunks page", "chunk index page", "metadata page"]
FILE, SYMLINK, EMPTY_DIR, REFERENCE = range(4)
WHOLE, RUNS, TREE = range(3)

Block = namedtuple("Block", "offset codec stored raw chunks")
Entry = namedtuple("Entry", "path kind value row")  # `row`, here and below, is the encoded row
File = namedtuple("File", "executable size digest form chunks")
Run = namedtuple("Run", "chunk length count row")
Child = namedtuple("Child", "first page count bytes row")
Index = namedtuple("Index", "level rows")
Manifest = namedtuple("Manifest", "entries files size index")


class Damage(Exception):
    """What the document calls refused."""


def need(condition, what):
    if not condition:
        raise Damage(what)


def plain(data):
    return blake3(data).digest()


def page_id(kind, data):
    return blake3(data, derive_key_context=f"artstore 2026-11 {PAGE_KINDS[kind]} v1").digest()


def read_file(path, most):
    """The bytes of a regular file: a symlink, FIFO or device in its place is not opened."""
    found = os.lstat(path)
    need(stat.S_ISREG(found.st_mode), "not a regular file")
    need(found.st_size <= most, "too long")
    with open(path, "rb") as file:
        return file.read(most + 1)


def listed(path):
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


# Packs


def unzstd(frame, length):
    """Block codecs: one frame that fills its bytes, states its size and uses no dictionary."""
    try:
        stated = zstandard.get_frame_parameters(frame)
        need(frame[:4] == b"\x28\xb5\x2f\xfd" and stated.content_size == length and stated.dict_id == 0, "zstd header")
        decoder = zstandard.ZstdDecompressor().decompressobj()
        raw = decoder.decompress(frame)
    except zstandard.ZstdError as error:
        raise Damage(f"zstd: {error}") from error
    need(decoder.eof and not decoder.unused_data and len(raw) == length, "zstd frame")
    return raw


def decode_block(codec, payload, length):
    if codec == 0:
        return payload
    if codec == 1:
        return unzstd(payload, length)
    need(codec in (2, 3, 4), f"unknown codec {codec}")
    width = 2 ** (codec - 1)
    count, tail = divmod(length, width)
    need(count >= 1 and len(payload) >= 4 * width, "group: too short")
    stored = struct.unpack_from(f"<{width}I", payload)
    need(4 * width + sum(stored) + tail == len(payload), "group: parts do not fill the payload")
    raw, at = bytearray(length), 4 * width
    for plane, size in enumerate(stored):
        need(size <= count, "group: plane too long")
        bytes_ = payload[at : at + size]
        raw[plane : width * count : width] = bytes_ if size == count else unzstd(bytes_, count)
        at += size
    raw[width * count :] = payload[at:]
    return bytes(raw)


class Pack:
    """Reading a pack: the numbers are those of its list."""

    def __init__(self, path, kind):
        self.path, self.kind = path, kind
        found = os.lstat(path)
        need(stat.S_ISREG(found.st_mode), "not a regular file")
        need(24 + 72 <= found.st_size <= PACK_MOST, "length")
        with open(path, "rb") as file:
            head = file.read(24)
            file.seek(-72, os.SEEK_END)
            table_at, table_hash, blocks, chunks, length, version, zero, magic = struct.unpack("<Q32sIIQII8s", file.read(72))
            table_length = 20 * blocks + 44 * chunks
            need(head[:8] == b"\x89ARTPK\r\n" and magic == b"\x89ARTPE\r\n", "magic")  # 1
            need(struct.unpack("<II", head[8:16]) == (1, kind) and version == 1 and zero == 0, "version or class")
            need(length == found.st_size, "length")  # 2
            need(table_at >= 24 and table_at + table_length + 72 == length, "place of the table")  # 3
            file.seek(table_at)
            table = file.read(table_length)
        need(plain(table) == table_hash, "hash of the table")  # 4
        self.blocks = [Block(*row) for row in struct.iter_unpack("<5I", table[: 20 * blocks])]
        self.chunks = list(struct.iter_unpack("<32s3I", table[20 * blocks :]))
        at = 24
        for block in self.blocks:
            need(block.offset == at, "block out of place")  # 5
            at += 20 + 4 * block.chunks + block.stored
            need(1 <= block.stored <= block.raw <= BLOCK_MOST and 1 <= block.chunks <= BLOCK_CHUNKS_MOST, "block's limits")  # 6
            need(block.codec != 0 or block.stored == block.raw, "raw block's length")
        need(at == table_at, "table does not follow the blocks")
        need(sum(block.chunks for block in self.blocks) == chunks, "count of chunks")
        need(all(a[0] <= b[0] for a, b in zip(self.chunks, self.chunks[1:])), "chunk rows out of order")  # 7
        for _, block, offset, size in self.chunks:
            need(block < blocks and offset + size <= self.blocks[block].raw and 1 <= size <= CHUNK_MOST, "chunk row")

    @functools.lru_cache(maxsize=16)
    def block(self, number):
        block = self.blocks[number]
        with open(self.path, "rb") as file:
            file.seek(block.offset + 20 + 4 * block.chunks)
            return decode_block(block.codec, file.read(block.stored), block.raw)

    def check_whole(self):
        """The hash of the file, and its chunks found again as one salvages them: from block to block (Block)."""
        data, at, found = read_file(self.path, PACK_MOST), 24, []
        need(plain(data).hex() == os.path.basename(self.path), "hash of the file")
        for number, block in enumerate(self.blocks):
            magic, *header = struct.unpack_from("<4s4I", data, at)
            lengths = struct.unpack_from(f"<{header[3]}I", data, at + 20)
            need(magic == b"BLK\n" and Block(at, *header) == block, "block's header")
            need(sum(lengths) == block.raw and all(1 <= n <= CHUNK_MOST for n in lengths), "block's lengths")
            payload, offset = self.block(number), 0
            for length in lengths:
                chunk = payload[offset : offset + length]
                name = plain(chunk) if self.kind == 1 else page_id(int.from_bytes(chunk[:4], "little"), chunk)
                found.append((name, number, offset, length))
                offset += length
            at += 20 + 4 * len(lengths) + block.stored
        need(sorted(found) == sorted(self.chunks), "table and blocks differ")


# Binary encoding, and the pages


def check_path(path):
    """Paths."""
    need(1 <= len(path) <= 4096 and b"\0" not in path, "path")
    need(not {b"", b".", b"..", b".git", b".artifacts"} & set(path.lower().split(b"/")), "component of a path")
    return path


class Decoder:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        need(length <= len(self.data) - self.at, "page ends early")
        self.at += length
        return self.data[self.at - length : self.at]

    def u32(self):
        return int.from_bytes(self.take(4), "little")

    def u64(self):
        return int.from_bytes(self.take(8), "little")

    def hash(self):
        return self.take(32)

    def flag(self):
        byte = self.take(1)[0]
        need(byte <= 1, "a bool or option is neither 0 nor 1")
        return byte == 1

    def bytes(self, least=0, most=PAGE_MOST):
        data = self.take(self.u64())
        need(least <= len(data) <= most, "length")
        return data

    def string(self, least=0, most=PAGE_MOST):
        return utf8(self.bytes(least, most))

    def path(self):
        return check_path(self.bytes())

    def option(self, read):
        return read() if self.flag() else None

    def list(self, read, least=0):
        count = self.u64()
        need(count >= least, "empty list")
        return [read() for _ in range(count)]

    def page(self, kind):
        need(self.u32() == kind, "tag of the page")
        read = [self.manifest, self.entries, self.entry_index, self.runs, self.chunk_index, self.bytes][kind]
        content = read()
        need(self.at == len(self.data), "bytes left over")
        return content

    def manifest(self):
        entries, files, size, form = self.u64(), self.u64(), self.u64(), self.u32()
        need(form in (0, 1), "unknown tag")
        if form == 0:
            rows = self.entries(least=0)
            need((entries, files, size) == (len(rows), sum(row.kind == FILE for row in rows), bytes_of(rows)), "manifest's sums")
            return Manifest(entries, files, size, Index(0, rows))
        index = self.entry_index()
        need((entries, size) == (count_of(index.rows), bytes_of(index.rows)) and files <= entries, "manifest's sums")
        return Manifest(entries, files, size, index)

    def entries(self, least=1):
        return increasing(self.list(self.entry, least), "path")

    def entry(self):
        start, path, kind = self.at, self.path(), self.u32()
        need(kind <= REFERENCE, "unknown tag")
        value = [self.file, self.symlink, lambda: None, self.reference][kind]()
        return Entry(path, kind, value, self.data[start : self.at])

    def symlink(self):
        target = self.bytes(1, 4096)
        need(b"\0" not in target, "NUL in a symlink")
        return target

    def reference(self):
        uri, digest, size = self.string(1, 8192), self.option(self.hash), self.option(self.u64)
        return uri, digest, size, self.option(lambda: self.string(0, 8192))

    def file(self):
        executable, size, digest, form = self.flag(), self.u64(), self.hash(), self.u32()
        need(size > 0 or digest == plain(b""), "digest of an empty file")
        if form == WHOLE:
            need(size <= CHUNK_MOST, "size of a file of one chunk")
            return File(executable, size, digest, form, [])
        if form == RUNS:
            runs = self.runs()
            need(len(runs) <= RUNS_MOST and bytes_of(runs) == size, "chunk list of a file")
            need(len(runs) > 1 or runs[0].count > 1, "file of one chunk is not stored whole")
            return File(executable, size, digest, form, runs)
        need(form == TREE, "unknown tag")
        level = self.u32()
        need(level <= LEVELS_MOST, "level")
        return File(executable, size, digest, form, (level, self.hash()))

    def runs(self):
        return apart(self.list(self.run, 1))

    def run(self):
        start, chunk, length, count = self.at, self.hash(), self.u32(), self.u64()
        need(1 <= length <= CHUNK_MOST and count >= 1, "row of a chunk list")
        return Run(chunk, length, count, self.data[start : self.at])

    def index(self, first, name):
        level = self.u32()
        need(1 <= level <= LEVELS_MOST, "level")
        return Index(level, self.list(lambda: self.child(first), 1))

    def entry_index(self):
        index = self.index(self.path, "first")
        increasing(index.rows, "first")
        return index

    def chunk_index(self):
        index = self.index(self.hash, "first")
        need(all(child.bytes >= child.count for child in index.rows), "bytes of an index row")
        return index

    def child(self, first):
        start = self.at
        fields = first(), self.hash(), self.u64(), self.u64()
        need(fields[2] >= 1, "count of an index row")
        return Child(*fields, self.data[start : self.at])


def utf8(data):
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Damage("not UTF-8") from error


def increasing(rows, field):
    need(all(getattr(a, field) < getattr(b, field) for a, b in zip(rows, rows[1:])), "rows out of order")
    return rows


def apart(runs):
    need(all(a.chunk != b.chunk for a, b in zip(runs, runs[1:])), "equal neighbours in a chunk list")
    return runs


def count_of(rows):
    """Entries or chunks in rows of any level. Sums stop at 2^64 - 1."""
    return min(sum(1 if isinstance(row, Entry) else row.count for row in rows), U64_MOST)


def bytes_of(rows):
    def one(row):
        if isinstance(row, Entry):
            return row.value.size if row.kind == FILE else 0
        return row.length * row.count if isinstance(row, Run) else row.bytes

    return min(sum(map(one, rows)), U64_MOST)


def first_of(row):
    return row.path if isinstance(row, Entry) else row.chunk if isinstance(row, Run) else row.first


# Trees: what a writer does, for --rebuild


def bits(row, kind):
    name = plain(first_of(row)) if kind == ENTRIES else first_of(row)
    number = int.from_bytes(name[:8], "little")
    return (number & -number).bit_length() - 1 if number else 64


def cut_rows(rows, level, kind):
    pages, page, length = [], [], 0
    for row in rows:
        if page and (bits(row, kind) >= 7 * (level + 1) or length + len(row.row) > 262080):
            pages.append(page)
            page, length = [], 0
        page.append(row)
        length += len(row.row)
    return pages + [page]


def id_of_page(rows, level, kind):
    """A page's id: of an entries or chunks page at level 0, else of an index page."""
    tag = struct.pack("<I", kind) if level == 0 else struct.pack("<II", kind + 1, level)
    return page_id(kind + (level > 0), tag + encode_rows(rows))


def encode_rows(rows):
    return struct.pack("<Q", len(rows)) + b"".join(row.row for row in rows)


def child_of(page, level, kind):
    first, name, count, size = first_of(page[0]), id_of_page(page, level, kind), count_of(page), bytes_of(page)
    length = struct.pack("<Q", len(first)) if kind == ENTRIES else b""
    return Child(first, name, count, size, length + first + name + struct.pack("<QQ", count, size))


def tree(rows, kind):
    level = 0
    while sum(len(row.row) for row in rows) > 65536:
        rows = [child_of(page, level, kind) for page in cut_rows(rows, level, kind)]
        level += 1
    return level, rows


def rebuild_manifest(entries):
    """The id that the manifest of these entries must have."""
    level, rows = tree(entries, ENTRIES)
    files = sum(entry.kind == FILE for entry in entries)
    form = struct.pack("<I", 0) if level == 0 else struct.pack("<II", 1, level)
    return page_id(MANIFEST, struct.pack("<IQQQ", MANIFEST, len(entries), files, bytes_of(entries)) + form + encode_rows(rows))


def form_of(file, rows):
    """The form and content that the list of a file's chunks must have (Chunk lists)."""
    if len(rows) == 0 or len(rows) == 1 and rows[0].count == 1:
        return WHOLE, []
    if len(rows) <= RUNS_MOST:
        return RUNS, rows
    level, top = tree(rows, CHUNKS)
    return TREE, (level, id_of_page(top, level, CHUNKS))


# Cutting, for --recut


def cut_length(rest):
    if len(rest) <= 98304:
        return len(rest)
    best = None
    for length in range(32768, 98304 + 1):
        window = rest[length - 4 : length]
        if length > 32768 and window == rest[length - 5 : length - 1]:
            continue
        rank = (int.from_bytes(window, "little") * 0x915F77F5 + 0x34636463) % 2**32
        if best is None or rank <= best[0]:
            key = rank, tie(rest[length - 32 : length]), length
            best = key if best is None else min(best, key)
    return best[2]


def tie(before):
    factors = 0xE220A8397B1DCDAF, 0x6E789E6AA1B965F5, 0x06C45D188009454F, 0xF88BB8A8724C81ED
    return sum(word * factor for word, factor in zip(struct.unpack("<4Q", before), factors)) % 2**64


def cut_file(data):
    """The rows of the file's chunk list: hash, length and count of each."""
    rows = []
    while data:
        chunk = data[: cut_length(data)]
        data = data[len(chunk) :]
        if rows and rows[-1][0] == plain(chunk):
            rows[-1] = rows[-1][:2] + (rows[-1][2] + 1,)
        else:
            rows.append((plain(chunk), len(chunk), 1))
    return rows


# Files of a store


class Store:
    def __init__(self, path):
        self.path, self.damaged = path, False
        try:
            need(read_file(os.path.join(path, "format"), 11) == b"artstore 1\n", "not a store of format 1")
        except OSError as error:
            raise Damage(f"no store: {error}") from error
        for name in listed(os.path.join(path, "features")):
            ours = not name.startswith((".", "write-", "gc-")) and name != "desktop.ini"
            need(not ours, f"feature '{name}' is not known")
        self.packs, self.places = [], {1: {}, 2: {}}
        self.open_packs("packs", 1)
        self.open_packs("meta", 2)

    def report(self, what, error):
        self.damaged = True
        print(f"damage: {what}: {error}", file=sys.stderr)

    def open_packs(self, folder, kind):
        for two in listed(os.path.join(self.path, folder)):
            for name in listed(os.path.join(self.path, folder, two)):
                path = os.path.join(self.path, folder, two, name)
                if not re.fullmatch("[0-9a-f]{64}", name) or name[:2] != two:
                    continue
                try:
                    pack = Pack(path, kind)
                except (Damage, OSError) as error:
                    self.report(path, error)
                    continue
                self.packs.append(pack)
                for chunk, *place in pack.chunks:
                    self.places[kind].setdefault(chunk, []).append((pack, *place))

    def check_packs(self):
        for pack in self.packs:
            try:
                pack.check_whole()
            except (Damage, OSError, struct.error) as error:
                self.report(pack.path, error)

    def piece(self, kind, name, hashed):
        """A chunk (kind 1) or page (2), from the first of its places where its bytes hash to its name."""
        for pack, block, offset, length in self.places[kind].get(name, []):
            try:
                data = pack.block(block)[offset : offset + length]
                need(hashed(data) == name, "wrong bytes")
                return data
            except (Damage, OSError) as error:
                self.report(f"{name.hex()} in {pack.path}", error)
        raise Damage(f"{name.hex()} is not here")

    def chunk(self, name, length):
        data = self.piece(1, name, plain)
        need(len(data) == length, "length of a chunk")
        return data

    def page(self, kind, name):
        return Decoder(self.piece(2, name, functools.partial(page_id, kind))).page(kind)

    # Walking

    def leaves(self, index, kind):
        """The rows of level 0 below an index; each page must be what its parent says."""
        if index.level == 0:
            yield from index.rows
            return
        for child in index.rows:
            below = Index(0, self.page(kind, child.page)) if index.level == 1 else self.page(kind + 1, child.page)
            need(below.level == index.level - 1, "level of a page")
            need((count_of(below.rows), bytes_of(below.rows)) == (child.count, child.bytes), "count or bytes of a page")
            need(first_of(below.rows[0]) == child.first, "first path or chunk of a page")
            yield from self.leaves(below, kind)

    def entries(self, manifest):
        entries, paths = list(self.leaves(manifest.index, ENTRIES)), set()
        increasing(entries, "path")
        for entry in entries:
            parts = entry.path.split(b"/")
            need(not any(b"/".join(parts[:n]) in paths for n in range(1, len(parts))), "an entry lies below another")
            paths.add(entry.path)
        files = sum(entry.kind == FILE for entry in entries)
        need((len(entries), files, bytes_of(entries)) == manifest[:3], "counts of the manifest")
        return entries

    def runs(self, file):
        """The whole chunk list of a file, whatever its form."""
        if file.form == WHOLE:
            return [Run(file.digest, file.size, 1, None)] if file.size else []
        if file.form == RUNS:
            return file.chunks
        level, root = file.chunks
        index = Index(0, self.page(CHUNKS, root)) if level == 0 else self.page(CHUNK_INDEX, root)
        need(index.level == level, "level of a chunk tree")
        return apart(list(self.leaves(index, CHUNKS)))

    def restore(self, manifest, dest, recut):
        os.makedirs(dest, exist_ok=True)
        need(not os.listdir(dest), f"'{dest}' is not empty")
        for entry in self.entries(manifest):
            path = os.path.join(os.fsencode(dest), entry.path)
            os.makedirs(path if entry.kind == EMPTY_DIR else os.path.dirname(path), exist_ok=True)
            if entry.kind == SYMLINK:
                os.symlink(entry.value, path)
            if entry.kind == REFERENCE:
                print(f"not in the store: {os.fsdecode(path)}: {entry.value[0]}", file=sys.stderr)
            if entry.kind == FILE:
                try:
                    self.restore_file(entry.value, path, recut)
                except Damage as error:
                    self.report(os.fsdecode(path), error)

    def restore_file(self, file, path, recut):
        runs, digest = self.runs(file), blake3()
        need(sum(run.length * run.count for run in runs) == file.size, "size of a file")
        mode = 0o777 if file.executable else 0o666
        try:
            with open(path, "wb", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, mode)) as out:
                for run in runs:
                    chunk = self.chunk(run.chunk, run.length)
                    for _ in range(run.count):
                        digest.update(chunk)
                        out.write(chunk)
            need(digest.digest() == file.digest, "digest of a file")
        except Damage:
            os.unlink(path)
            raise
        if recut and file.size <= RECUT_MOST:
            need(cut_file(read_file(path, RECUT_MOST)) == [run[:3] for run in runs], "the file is cut otherwise")

    def rebuild(self, name, manifest):
        """Trees: every page of a version again, from the rows alone."""
        entries = self.entries(manifest)
        need(rebuild_manifest(entries) == name, "the manifest is built otherwise")
        for entry in entries:
            if entry.kind == FILE:
                need(form_of(entry.value, self.runs(entry.value)) == entry.value[3:], f"chunk list of {entry.path} is built otherwise")


# Records: canonical JSON and the types of members


def canonical(value):
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        need(-(2**63) <= value <= U64_MOST, "integer too large")
        return str(value)
    if isinstance(value, float):
        return canonical_double(value)
    if isinstance(value, str):
        return '"' + re.sub(r'["\\\x00-\x1f]', lambda found: escape(found[0]), value) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    members = sorted(value.items(), key=lambda member: member[0].encode())
    return "{" + ",".join(canonical(name) + ":" + canonical(member) for name, member in members) + "}"


def escape(character):
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
    return short.get(character) or f"\\u{ord(character):04x}"


def canonical_double(value):
    need(abs(value) <= sys.float_info.max, "not a finite number")
    shortest, exact = Decimal(repr(value)).normalize(), Decimal(value)  # repr gives the fewest digits, and the nearest
    if len(exact.as_tuple().digits) <= 18:
        # In the middle of two spellings repr takes the even one, and the format the one of greater magnitude.
        mirrored = (2 * exact - shortest).normalize()
        if abs(mirrored) > abs(shortest) and mirrored.as_tuple().exponent == shortest.as_tuple().exponent and float(mirrored) == value:
            shortest = mirrored
    sign, digits, exponent = shortest.as_tuple()
    sign, digits = "-" * sign, "".join(map(str, digits))
    if value == 0:
        return sign + "0.0"
    e = len(digits) - 1 + exponent
    if not -5 <= e <= 15:
        return sign + digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{e:+d}"
    if e < 0:
        return sign + "0." + "0" * (-e - 1) + digits
    return sign + digits[: e + 1].ljust(e + 1, "0") + "." + (digits[e + 1 :] or "0")


def decode_json(data):
    """The value of canonical JSON: in another spelling it is refused."""
    try:
        value = json.loads(utf8(data))
        need(canonical(value).encode() == data, "not canonical JSON")
        return value
    except (ValueError, RecursionError) as error:
        raise Damage(f"not JSON: {error}") from error


def matching(pattern):
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


is_name = matching(r"(?![.-])[A-Za-z0-9._-]{1,128}(?<!\.)")
is_id = matching(r"[0-9a-f]{64}")


def is_alias(value):
    return is_name(value) and value != "latest" and not re.match("v[0-9]", value)


def is_tag(value):
    return matching(r"[\w.\-\u00a0-\U0010ffff]+( [\w.\-\u00a0-\U0010ffff]+)*")(value) and is_text(value, 128)


def is_number(value):
    return type(value) is int and 0 <= value <= U64_MOST


def is_text(value, most=RECORD_MOST):
    return isinstance(value, str) and len(value.encode()) <= most


def is_description(value):
    return is_text(value, 16 * KIB)


def stated(check):
    """What a version leaves out rather than say it is empty or 0."""
    return lambda value: check(value) and value not in ("", 0)


def is_true(value):
    return value is True


def is_time(value):
    found = isinstance(value, str) and re.fullmatch(
        r"(-\d{6}|\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{0,8}[1-9])?Z", value, re.ASCII
    )
    if not found or found[1] == "-000000":
        return False
    year, month, day, hour, minute, second = map(int, found.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = [31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    if not (1 <= month <= 12 and 1 <= day <= days[month - 1] and hour < 24 and minute < 60 and second < 60):
        return False
    at = year, month, day, hour, minute, second  # the last second may have a fraction, whatever its digits
    return (-9999, 1, 2, 1, 59, 59) <= at <= (9999, 12, 30, 22, 0, 0)


def is_metadata(value):
    """Arrays and objects round one another: those of a member's value."""

    def depth(part):
        parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else None
        return 0 if parts is None else 1 + max(map(depth, parts), default=0)

    return isinstance(value, dict) and len(canonical(value).encode()) <= METADATA_MOST and depth(value) <= 1 + 64


def some(check):
    """A list that is omitted if empty."""
    return lambda value: isinstance(value, list) and value != [] and all(map(check, value))


def is_tags(value):
    return some(is_tag)(value) and len(value) <= 100 and all(a.encode() < b.encode() for a, b in zip(value, value[1:]))


def is_git(value):
    musts, mays = {"dirty": lambda flag: isinstance(flag, bool)}, {"branch": is_text, "commit": is_text}
    return isinstance(value, dict) and breach(value, musts, mays) is None


def is_run(value):
    return is_text(value) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value, re.ASCII) is not None


def breach(record, musts, mays):
    """The name of a member that is missing, unknown or not of its type; None if all is right."""
    checks = musts | mays
    for member in musts.keys() | record.keys():
        if member not in record or member not in checks or not checks[member](record[member]):
            return member
    return None


SAID = {
    "metadata": lambda value: value != {} and is_metadata(value),
    "metadata_pages": some(is_id),
}
COUNTS = {"file_count": is_number, "size_bytes": is_number, "stored_bytes": is_number}
MEMBERS = {  # kind: members that must be there, members that may be omitted
    "version": (
        {"type": is_name, "number": is_number, "manifest": is_id} | COUNTS,
        {"git": is_git, "parents": some(is_id), "run": is_run, "tags": is_tags}
        | {"description": stated(is_description), "ttl_seconds": stated(is_number)}
        | SAID,
    ),
    "alias": ({"alias": is_alias, "seq": is_number}, {"replaces": some(is_id), "target": is_id}),
    "edit": (
        {"seq": is_number},
        {"claim": is_true, "delete": is_true, "undelete": is_true, "tags_add": is_tags, "tags_remove": is_tags}
        | {"saw": some(is_id), "target": is_id, "unset": some(is_text)}
        | {"description": is_description, "ttl_seconds": is_number}
        | SAID,
    ),
}


def decode_record(line, name):
    number, hash16 = name.split(".")
    need(plain(line).hex().startswith(hash16), "bytes do not hash to the name")
    need(line.endswith(b"\n"), "no newline")
    record = decode_json(line[:-1])
    need(isinstance(record, dict) and isinstance(record.get("kind"), str) and record["kind"] in MEMBERS, "unknown kind")
    musts, mays = MEMBERS[record["kind"]]
    wrong = breach(record, {"artifact": is_name, "created_at": is_time, "kind": is_text} | musts, mays)
    need(wrong is None, f"member '{wrong}'")
    need(str(record["number" if record["kind"] == "version" else "seq"]) == number, "number is not that of the name")
    return record


# What records add up to


class Artifact:
    def __init__(self, store, name):
        self.store, self.name = store, name
        records = {}
        for found in records_near(store, name):
            records |= {record_id: record for record_id, record in found.items() if record["artifact"] == name}
        order = sorted(records, key=lambda i: (records[i].get("number", records[i].get("seq")), i))
        self.versions, self.edits, self.aliases = (
            {i: records[i] for i in order if records[i]["kind"] == kind} for kind in ("version", "edit", "alias")
        )
        replaced = {old for record in self.aliases.values() for old in record.get("replaces", [])}
        self.heads = {i: record for i, record in self.aliases.items() if i not in replaced}

    @functools.lru_cache(maxsize=None)
    def seen(self, edit):
        """All records that an edit saw."""
        seen, left = set(), [edit]
        while left:
            for record in self.edits.get(left.pop(), {}).get("saw", []):
                if record not in seen:
                    seen.add(record)
                    left.append(record)
        return seen

    def unseen(self, edits):
        """Those of the edits that no other of them saw."""
        return [e for e in edits if not any(e in self.seen(other) for other in edits if other != e)]

    def edits_of(self, target, member=None):
        return [i for i, e in self.edits.items() if e.get("target") == target and (member is None or member in e)]

    def alias_targets(self):
        """Each alias with the targets of its heads; one that is not None is its value, several have diverged."""
        targets = {}
        for head in self.heads.values():
            targets.setdefault(head["alias"], set()).add(head.get("target"))
        return targets

    def deleted(self, version):
        edits = self.edits_of(version)
        must_see = {e for e in edits if "undelete" in self.edits[e]}
        must_see |= {i for i, head in self.heads.items() if head.get("target") == version}
        return any("delete" in self.edits[e] and must_see <= self.seen(e) for e in edits)

    def numbered(self, number):
        return [i for i, v in self.versions.items() if v["number"] == number]

    def winner(self, number):
        claims = [e for version in self.numbered(number) for e in self.edits_of(version, "claim")]
        targets = {self.edits[e]["target"] for e in self.unseen(claims)}
        return targets.pop() if len(targets) == 1 else None

    def one_manifest(self, versions):
        return len({self.versions[v]["manifest"] for v in versions}) == 1

    def label(self, version):
        number = self.versions[version]["number"]
        others, winner = self.numbered(number), self.winner(number)
        if len(others) == 1 or version == winner or winner is None and self.one_manifest(others):
            return f"v{number}"
        digits = next(n for n in range(4, 65) if len({other[:n] for other in others}) == len(others))
        return f"v{number}.{version[:digits]}"

    def means(self, number):
        """The version that a bare number means."""
        several = self.numbered(number)
        need(several, "no such version")
        several = [v for v in several if not self.deleted(v)] or several
        winner = self.winner(number)
        if winner in several:
            return winner
        need(self.one_manifest(several), "ambiguous")
        return several[0]

    def latest(self):
        numbers = [record["number"] for v, record in self.versions.items() if not self.deleted(v)]
        need(numbers, "no version that is not deleted")
        return self.means(max(numbers))

    def resolve(self, ref):
        if ref == "latest":
            return self.latest()
        if re.fullmatch("v[0-9]+", ref, re.ASCII):
            return self.means(int(ref[1:]))
        labelled = [v for v in self.versions if self.label(v) == ref]
        targets = self.alias_targets().get(ref, set(labelled) or {None})
        need(len(targets) == 1, "the alias has diverged")
        target = targets.pop()
        need(target in self.versions, "no such version")
        return target

    def said(self, version=None):
        """Description, metadata, tags and time to live of a version, or of the artifact as a whole."""
        record = self.versions.get(version, {})
        description, metadata, tags, ttl = record.get("description", ""), {}, set(record.get("tags", [])), record.get("ttl_seconds", 0)
        for said in [record] + [self.edits[e] for e in self.edits_of(version)]:
            description = said.get("description", description)
            metadata |= self.paged(said) | said.get("metadata", {})
            metadata = {name: value for name, value in metadata.items() if name not in said.get("unset", [])}
            tags = (tags - set(said.get("tags_remove", []))) | set(said.get("tags_add", []))
        given = [self.edits[e]["ttl_seconds"] for e in self.unseen(self.edits_of(version, "ttl_seconds"))]
        ttl = max(given, key=lambda seconds: (seconds == 0, seconds), default=ttl)
        return {"description": description, "metadata": metadata, "tags": sorted(tags, key=str.encode), "ttl_seconds": ttl}

    def paged(self, said):
        pages, total = [], 0
        for page in said.get("metadata_pages", []):
            pages.append(self.store.page(METADATA, bytes.fromhex(page)))
            total += len(pages[-1])
            need(total <= METADATA_MOST, "too much metadata")
        metadata = decode_json(b"".join(pages)) if pages else {}
        need(is_metadata(metadata), "metadata pages")
        return metadata

    def manifest(self, version):
        return self.store.page(MANIFEST, bytes.fromhex(self.versions[version]["manifest"]))


def records_near(store, artifact):
    """The records by id of each place of them, in the directories whose name is the artifact's but for case."""
    refs = os.path.join(store.path, "refs")
    for folder in listed(refs):
        if is_name(folder) and folder.lower() == artifact.lower():
            aliases = [os.path.join("aliases", alias) for alias in listed(os.path.join(refs, folder, "aliases")) if alias[0] != "."]
            for place in ["versions", "edits", *aliases]:
                yield read_records(store, folder, place)


@functools.lru_cache(maxsize=None)
def read_records(store, artifact, place):
    records, folder = {}, os.path.join(store.path, "refs", artifact, place)
    for name in listed(folder):
        if not re.fullmatch(r"(0|[1-9][0-9]*)\.[0-9a-f]{16}", name, re.ASCII) or int(name.split(".")[0]) > U64_MOST:
            continue
        path = os.path.join(folder, name)
        try:
            line = read_file(path, RECORD_MOST)
            record = decode_record(line, name)
            need(record["artifact"].lower() == artifact.lower(), "it lies in the directory of another artifact")
            need(record["kind"] != "version" or place == "versions", "a version record elsewhere than in versions/")
            records[plain(line).hex()] = record
        except (Damage, OSError) as error:
            store.report(path, error)
    return records


def artifacts(store):
    """The names of which there are versions, by what the records say."""
    names = set()
    for folder in filter(is_name, listed(os.path.join(store.path, "refs"))):
        for record in read_records(store, folder, "versions").values():
            if record["kind"] == "version":
                names.add(record["artifact"])
    return sorted(names)


def show(store):
    for name in artifacts(store):
        artifact = Artifact(store, name)
        first = next(iter(artifact.versions.values()))
        targets = {alias: sorted(t or "" for t in ts) for alias, ts in artifact.alias_targets().items() if ts != {None}}
        print(f"{name} {canonical({'type': first['type'], 'aliases': targets} | artifact.said())}")
        try:
            latest = artifact.latest()
        except Damage:
            latest = None
        for version, record in artifact.versions.items():
            try:
                facts = {"deleted": artifact.deleted(version), "latest": version == latest} | artifact.said(version)
                print(f"{name}:{artifact.label(version)} {record['manifest']} {version} {canonical(facts)}")
            except Damage as error:
                store.report(f"{name}:{version}", error)


def main():
    parser = argparse.ArgumentParser(description="Read an artstore store.")
    parser.add_argument("store")
    parser.add_argument("ref", nargs="?")
    parser.add_argument("dest", nargs="?")
    for flag in ("--packs", "--rebuild", "--recut"):
        parser.add_argument(flag, action="store_true")
    args = parser.parse_intermixed_args()
    if args.ref and not args.dest:
        parser.error("where to?")
    try:
        store = Store(args.store)
        if args.packs:
            store.check_packs()
        if not args.ref:
            show(store)
            return int(store.damaged)
        name, _, ref = args.ref.partition(":")
        artifact = Artifact(store, name)
        version = artifact.resolve(ref or "latest")
        manifest = artifact.manifest(version)
        if args.rebuild:
            store.rebuild(bytes.fromhex(artifact.versions[version]["manifest"]), manifest)
        store.restore(manifest, args.dest, args.recut)
        return int(store.damaged)
    except Damage as error:
        print(f"reader: {args.ref or args.store}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
