"""Invoices and credit notes for others to read: as JSON, and as PDF. The same one is always the same file, but for what became of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.utils.translation import gettext, override
from fpdf import FPDF
from fpdf.enums import Align, TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace

from billing.invoicing import as_money
from billing.models import CreditNote, Invoice
from billing.shapes import InvoiceHead, InvoiceRow
from billing.templatetags.money import count, exactly

FONTS = settings.BASE_DIR / "static" / "vendor"
FONT = "DejaVuSans"
# Points, and millimetres.
SMALL, NORMAL, LARGE = 7.5, 9, 18
LINE, GAP, MARGIN = 5, 7, 18
GREY, INK, PALE = (95, 95, 95), (20, 20, 20), (200, 200, 200)
LEFT, RIGHT = Align.L, Align.R
# How wide the columns of a table are, next to each other.
COLUMNS, SUMS = (78, 26, 46, 24), (150, 24)


class Document(FPDF):
    """Pages with the document's number at their foot."""

    def __init__(self, number: str, made: datetime) -> None:
        super().__init__(format="A4")
        self.number = number
        self.add_font(FONT, fname=FONTS / "DejaVuSans.ttf")
        self.add_font(FONT, "B", fname=FONTS / "DejaVuSans-Bold.ttf")
        # A text that looks like the mark for how many pages there are is a text.
        self.str_alias_nb_pages = ""
        self.set_draw_color(*PALE)
        self.set_margin(MARGIN)
        self.set_auto_page_break(True, MARGIN)
        self.set_title(number)
        self.set_creation_date(made)
        self.add_page()

    def footer(self) -> None:
        """Which document, and which page of it."""
        self.set_y(-MARGIN + GAP)
        self.set_font(FONT, size=SMALL)
        self.set_text_color(*GREY)
        self.cell(0, LINE, f"{self.number} · {self.page_no()}", align=Align.R)

    def write_lines(self, text: str, size: float = NORMAL, style: str = "", grey: bool = False) -> None:
        """A block of text, over the whole width."""
        self.set_font(FONT, style, size)
        self.set_text_color(*(GREY if grey else INK))
        self.multi_cell(0, size * 0.55, text, align=LEFT, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def write_facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Each with its name before it; none that is empty."""
        for name, value in facts:
            if value:
                self.write_lines(name, SMALL, grey=True)
                self.write_lines(value)
                self.ln(1.5)
        self.ln(GAP)

    def write_table(self, rows: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
        """The first row says what is in the columns, of which the first is to the left, the others are to the right."""
        self.set_font(FONT, size=NORMAL)
        self.set_text_color(*INK)
        aligned = (LEFT, *[RIGHT] * (len(widths) - 1))
        look = {"borders_layout": TableBordersLayout.HORIZONTAL_LINES, "headings_style": FontFace(emphasis="B")}
        with self.table(rows, col_widths=widths, text_align=aligned, line_height=LINE, padding=1, **look):
            pass

    def write_sums(self, rows: Iterable[tuple[str, Decimal, bool]], currency: str) -> None:
        """As `sums` has them."""
        look = {"borders_layout": TableBordersLayout.NONE, "first_row_as_headings": False}
        with self.table(col_widths=SUMS, text_align=RIGHT, line_height=LINE, padding=1, **look) as table:
            for name, amount, is_sum in rows:
                row = table.row(style=FontFace(emphasis="B") if is_sum else None)
                row.cell(name)
                row.cell(exactly(amount, currency))


def invoice_pdf(invoice: Invoice) -> bytes:
    """A final invoice with its lines, and the credit notes that came after it."""
    with override("en"):
        assert invoice.final_at is not None
        pdf = Document(str(invoice), invoice.final_at)
        pdf.write_lines(f"Invoice {invoice}", LARGE, "B")
        pdf.ln(GAP)
        void = "This invoice is void." if invoice.status == Invoice.Status.VOID else ""
        pdf.write_facts([
            ("State", void),
            ("From", invoice.bill_from),
            ("To", invoice.bill_to),
            ("Date", f"{invoice.final_at:%-d %B %Y}"),
            ("Month", f"{invoice.period:%B %Y}"),
            ("Paid", f"{invoice.paid_at:%-d %B %Y}" if invoice.paid_at else ""),
        ])  # fmt: skip
        rows = [("What", "Quantity", f"Price in {invoice.currency}", "Amount")]
        for line in invoice.lines.all():
            markup = f" + {count(line.markup)} %" if line.markup else ""
            price = f"{count(line.rate)} / {count(line.per)}{markup}"
            rows.append((line.description, count(line.quantity), price, exactly(line.amount, invoice.currency)))
        pdf.write_table(rows, COLUMNS)
        pdf.ln(LINE / 2)
        pdf.write_sums(sums(invoice), invoice.currency)
        pdf.ln(LINE)
        pdf.write_lines("Amounts are rounded down when they are added up: you never pay for more than was used.", SMALL, grey=True)
        return bytes(pdf.output())


def invoice_json(invoice: Invoice) -> InvoiceRow:
    """An invoice with its lines; money and quantities as text."""
    return {
        **invoice_head(invoice),
        "lines": [
            {
                "description": line.description,
                "provider": line.provider,
                "model": line.model,
                "class": line.unit,
                "quantity": f"{line.quantity.normalize():f}",
                "rate": f"{line.rate.normalize():f}",
                "per": line.per,
                "markup": f"{line.markup:f}",
                "amount": as_money(line.amount, invoice.currency),
            }
            for line in invoice.lines.all()
        ],
    }


def invoice_head(invoice: Invoice) -> InvoiceHead:
    """An invoice without its lines. `due` is what is still to be paid if it is not paid yet, after credit and credit notes."""
    return {
        "id": str(invoice.pk),
        "number": invoice.number,
        "period": f"{invoice.period:%Y-%m}",
        "account": str(invoice.account_id),
        "bill_to": invoice.bill_to,
        "status": invoice.status,
        "final_at": invoice.final_at.isoformat() if invoice.final_at else None,
        "paid_at": invoice.paid_at.isoformat() if invoice.paid_at else None,
        "currency": invoice.currency,
        "net": as_money(invoice.net, invoice.currency),
        "tax": as_money(invoice.tax, invoice.currency),
        "total": as_money(invoice.total, invoice.currency),
        "credited": as_money(invoice.credited, invoice.currency),
        "due": as_money(invoice.due if invoice.is_open else Decimal(0), invoice.currency),
        "tax_percent": f"{invoice.tax_percent:f}",
        "credit_notes": [
            {
                "number": note.number,
                "reason": note.reason,
                "net": as_money(note.net, invoice.currency),
                "tax": as_money(note.tax, invoice.currency),
                "total": as_money(note.total, invoice.currency),
            }
            for note in invoice.notes.all()
        ],
    }


def note_pdf(note: CreditNote) -> bytes:
    """A credit note."""
    with override("en"):
        invoice = note.invoice
        pdf = Document(str(note), note.created_at)
        pdf.write_lines(f"Credit note {note}", LARGE, "B")
        pdf.ln(GAP)
        pdf.write_facts([
            ("From", invoice.bill_from),
            ("To", invoice.bill_to),
            ("Date", f"{note.created_at:%-d %B %Y}"),
            ("For invoice", f"{invoice}, {invoice.period:%B %Y}"),
            ("Reason", note.reason),
        ])  # fmt: skip
        taxed = f"Tax, {count(invoice.tax_percent)} %"
        pdf.write_sums([("Net", note.net, False), (taxed, note.tax, False), ("Total", note.total, True)], invoice.currency)
        pdf.ln(LINE)
        pdf.write_lines(settled(note), grey=True)
        return bytes(pdf.output())


def settled(note: CreditNote) -> str:
    """What became of a note's money, in sentences."""
    currency, rest = note.invoice.currency, note.total - note.unpaid
    off = f"{exactly(note.unpaid, currency)} need not be paid any more." if note.unpaid else ""
    back = f"{exactly(rest, currency)} had been paid, and {'is credit now' if note.credit_id else 'was given back'}." if rest else ""
    return f"{off} {back}".strip()


def sums(invoice: Invoice) -> list[tuple[str, Decimal, bool]]:
    """What is under an invoice's lines: name, amount, whether it is a sum of those above."""
    tax = gettext("Tax, %(percent)s %%") % {"percent": count(invoice.tax_percent)}
    found = [(gettext("Net"), invoice.net, False), (tax, invoice.tax, False), (gettext("Total"), invoice.total, True)]
    off = [(gettext("Paid by credit"), invoice.credited)]
    off += [(gettext("Credit note %(number)s") % {"number": note}, note.unpaid) for note in invoice.notes.all()]
    due = invoice.due
    if invoice.status == Invoice.Status.PAID:
        off, due = [*off, (gettext("Paid"), due)], Decimal(0)
    off = [(name, amount) for name, amount in off if amount]
    if off and invoice.status != Invoice.Status.VOID:
        found += [*((name, -amount, False) for name, amount in off), (gettext("To be paid"), due, True)]
    return found
