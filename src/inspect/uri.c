/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/uri.h"

#include <ctype.h>
#include <string.h>

#include "base/span.h"

static int hex_value(uint8_t c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* n hex digits at s; -1 when they are not there */
static int hex_digits(struct span s, size_t n)
{
	int v = 0;

	if (s.len < n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int digit = hex_value(s.data[i]);

		if (digit < 0)
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

/* takes one character of the path; an invalid escape stands for itself */
static uint8_t take_decoded(struct span *path)
{
	uint8_t c = path->data[0];
	int v;

	span_skip(path, 1);
	if (c != '%' || !path->len)
		return c;
	if (path->data[0] == 'u' || path->data[0] == 'U') {
		v = hex_digits(SPAN(path->data + 1, path->len - 1), 4);
		if (v < 0)
			return c;
		span_skip(path, 5);
		if (v >= 0xff01 && v <= 0xff5e) /* full-width forms of ASCII */
			return (uint8_t)(v - 0xff01 + '!');
		return v < 0x100 ? (uint8_t)v : '?';
	}
	v = hex_digits(*path, 2);
	if (v < 0)
		return c;
	span_skip(path, 2);
	return (uint8_t)v;
}

/* decoded path, its separators made one slash each */
static size_t decode_path(struct span path, uint8_t *out)
{
	size_t n = 0;

	while (path.len) {
		uint8_t c = take_decoded(&path);

		if (c == '\\')
			c = '/';
		if (c == '/' && n && out[n - 1] == '/')
			continue;
		out[n++] = c;
	}
	return n;
}

/* RFC 3986 section 5.2.4 in place, for a path without empty segments */
static size_t remove_dot_segments(uint8_t *path, size_t len)
{
	size_t n = 0, at = 0;

	while (at < len) {
		size_t start = at, end = at + (path[at] == '/');
		const uint8_t *name = path + end;
		size_t name_len;

		while (end < len && path[end] != '/')
			end++;
		name_len = (size_t)(path + end - name);
		at = end;
		if (name_len == 1 && name[0] == '.') {
			if (at == len && start < end && path[start] == '/')
				path[n++] = '/';
			continue;
		}
		if (name_len == 2 && name[0] == '.' && name[1] == '.') {
			while (n && path[n - 1] != '/')
				n--;
			n -= n > 0;
			if (at == len && path[start] == '/')
				path[n++] = '/';
			continue;
		}
		memmove(path + n, path + start, end - start);
		n += end - start;
	}
	return n;
}

/* "http://user@host:80/path" to authority and the rest; false when target does not begin with a scheme */
static bool split_absolute(struct span target, struct span *authority, struct span *rest)
{
	size_t n = 0, end;

	while (n < target.len && (isalnum(target.data[n]) || strchr("+-.", target.data[n] ? target.data[n] : '/')))
		n++;
	if (!n || target.len - n < 3 || memcmp(target.data + n, "://", 3))
		return false;
	for (end = n + 3; end < target.len && !memchr("/?#", target.data[end], 3); end++)
		;
	*authority = SPAN(target.data + n + 3, end - n - 3);
	*rest = SPAN(target.data + end, target.len - end);
	return true;
}

size_t uri_normalize(struct span target, uint8_t *out)
{
	struct span authority = {0}, rest = target;
	size_t path, n;

	split_absolute(target, &authority, &rest);
	for (path = 0; path < rest.len && rest.data[path] != '?' && rest.data[path] != '#'; path++)
		;
	n = remove_dot_segments(out, decode_path(SPAN(rest.data, path), out));
	memcpy(out + n, rest.data + path, rest.len - path);
	return n + rest.len - path;
}

struct span authority_host(struct span authority)
{
	const uint8_t *at = authority.len ? memrchr(authority.data, '@', authority.len) : NULL;
	const uint8_t *end;

	if (at)
		span_skip(&authority, (size_t)(at + 1 - authority.data));
	if (authority.len && authority.data[0] == '[') {
		end = memchr(authority.data, ']', authority.len);
		return end ? SPAN(authority.data, (size_t)(end + 1 - authority.data)) : authority;
	}
	end = authority.len ? memchr(authority.data, ':', authority.len) : NULL;
	return end ? SPAN(authority.data, (size_t)(end - authority.data)) : authority;
}

struct span uri_host(struct span target)
{
	struct span authority = {0}, rest;

	return split_absolute(target, &authority, &rest) ? authority_host(authority) : authority;
}
