/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/xml.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"

static void document_free(xmlDocPtr *document)
{
	if (*document)
		xmlFreeDoc(*document);
}

static void context_free(xmlXPathContextPtr *context)
{
	if (*context)
		xmlXPathFreeContext(*context);
}

static void object_free(xmlXPathObjectPtr *object)
{
	if (*object)
		xmlXPathFreeObject(*object);
}

static xmlDocPtr read_document(const char *text)
{
	return xmlReadMemory(text, (int)strlen(text), NULL, NULL,
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS);
}

char *xml_text(const char *text, const char *xpath)
{
	_cleanup_(document_free) xmlDocPtr document = read_document(text);
	_cleanup_(context_free) xmlXPathContextPtr context = document ? xmlXPathNewContext(document) : NULL;
	_cleanup_(object_free) xmlXPathObjectPtr object =
		context ? xmlXPathEvalExpression((const xmlChar *)xpath, context) : NULL;
	xmlChar *found = object ? xmlXPathCastToString(object) : NULL;
	char *copy = found ? strdup((const char *)found) : NULL;

	xmlFree(found);
	return copy;
}

size_t xml_list(const char *text, const char *xpath, char **out, size_t max)
{
	_cleanup_(document_free) xmlDocPtr document = read_document(text);
	_cleanup_(context_free) xmlXPathContextPtr context = document ? xmlXPathNewContext(document) : NULL;
	_cleanup_(object_free) xmlXPathObjectPtr object =
		context ? xmlXPathEvalExpression((const xmlChar *)xpath, context) : NULL;
	size_t n = 0;

	if (!object || !object->nodesetval)
		return 0;
	for (int i = 0; i < object->nodesetval->nodeNr && n < max; i++) {
		xmlChar *found = xmlNodeGetContent(object->nodesetval->nodeTab[i]);

		if (found)
			out[n++] = strdup((const char *)found);
		xmlFree(found);
	}
	return n;
}

/* <mode name='host-model' supported='yes'>CHILDREN</mode> is <cpu>CHILDREN</cpu> to the functions that compare */
char *xml_host_model(const char *text)
{
	_cleanup_(document_free) xmlDocPtr document = read_document(text);
	_cleanup_(context_free) xmlXPathContextPtr context = document ? xmlXPathNewContext(document) : NULL;
	_cleanup_(object_free) xmlXPathObjectPtr object =
		context ? xmlXPathEvalExpression((const xmlChar *)"/domainCapabilities/cpu/mode[@name='host-model' and "
								  "@supported='yes']",
				  context)
			: NULL;
	_cleanup_free_ char *children = NULL;
	size_t len;
	FILE *out;

	if (!object || !object->nodesetval || object->nodesetval->nodeNr < 1)
		return NULL;
	out = open_memstream(&children, &len);
	if (!out)
		return NULL;
	fputs("<cpu mode='custom' match='exact'>", out);
	for (xmlNodePtr child = object->nodesetval->nodeTab[0]->children; child; child = child->next) {
		xmlBufferPtr buffer = xmlBufferCreate();

		if (buffer && xmlNodeDump(buffer, document, child, 0, 0) >= 0)
			fputs((const char *)xmlBufferContent(buffer), out);
		xmlBufferFree(buffer);
	}
	fputs("</cpu>", out);
	return fclose(out) == 0 ? TAKE_PTR(children) : NULL;
}

void xml_escape(FILE *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&apos;", out);
			break;
		default:
			fputc(*text, out);
		}
}
