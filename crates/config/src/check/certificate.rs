//! `[certificate.NAME]`

use std::path::Path;
use std::sync::Arc;

use super::Checker;
use crate::file::{Fields, Named};
use crate::report::{Code, Fault};
use crate::{Certificate, CertificateSource, NamedFile};

impl Checker<'_> {
    /// Every certificate.
    pub(super) fn certificates(&mut self, root: &Fields) -> Vec<Arc<Certificate>> {
        let all = root.named("certificate").iter();
        all.filter_map(|named| self.certificate(named)).map(Arc::new).collect()
    }

    fn certificate(&mut self, named: &Named) -> Option<Certificate> {
        let source = self.certificate_source(named);
        let staple = self.named_file(&named.fields, "staple");
        let place = self.place(named.span);
        Some(Certificate { name: named.name.clone(), source: source?, staple, place })
    }

    fn certificate_source(&mut self, named: &Named) -> Option<CertificateSource> {
        let fields = &named.fields;
        self.one_form(named);
        if fields.written("chain").is_none() && fields.written("pfx").is_some() {
            let password = self.named_file(fields, "password-file");
            return Some(CertificateSource::Pfx { file: self.named_file(fields, "pfx")?, password });
        }
        let key = self.named_file(fields, "key");
        Some(CertificateSource::Pem { chain: self.named_file(fields, "chain")?, key })
    }

    /// Keys of PEM files and of a PFX file do not go together, and one of the two must be there.
    fn one_form(&mut self, named: &Named) {
        let fields = &named.fields;
        let later = fields.entries().iter().any(|entry| entry.key.later.is_some());
        match (fields.written("chain"), fields.written("pfx")) {
            (None, None) if later => {}
            (None, None) => {
                let message = format!("`certificate.{}` names neither `chain` nor `pfx`", named.name);
                let remedy = "add `chain = \"…\"` and `key = \"…\"` for PEM files, or `pfx = \"…\"`";
                self.fault(Code::MissingKey, named.span, message, remedy);
            }
            (Some(chain), Some(pfx)) => {
                let message =
                    format!("`certificate.{}` is in PEM files and in a PFX file at once", named.name);
                let fault =
                    Fault::new(Code::ContradictoryKeys, pfx.span, message).also(chain.span, "the PEM file");
                self.report
                    .push(fault.remedy("take one of `chain` and `pfx` out; one certificate has one source"));
            }
            (None, Some(_)) => self.only_with(fields, "key", "chain", "a PFX file has the key in it"),
            (Some(_), None) => {
                self.only_with(fields, "password-file", "pfx", "PEM files have no password here");
            }
        }
    }

    fn only_with(&mut self, fields: &Fields, key: &str, form: &str, why: &str) {
        if let Some(entry) = fields.written(key) {
            let message = format!("`{key}` goes with `{form}`: {why}");
            self.fault(
                Code::ContradictoryKeys,
                entry.span,
                message,
                format!("take it out, or name `{form}` instead"),
            );
        }
    }

    /// The file that a key of a table names, or the default where it names none.
    pub(super) fn file_or(&mut self, fields: &Fields, key: &str, default: &str) -> Option<NamedFile> {
        match fields.written(key) {
            Some(_) => self.named_file(fields, key),
            None => self.file_at(Path::new(default), fields.place(key)),
        }
    }
}
